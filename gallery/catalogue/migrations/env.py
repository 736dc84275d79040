"""Alembic's environment: runs on the connection that `gallery.catalogue.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import text

from gallery.catalogue.tables import SCHEMA, Base


def _ours(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name == SCHEMA


connection = context.config.attributes["connection"]
connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=_ours,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
