"""Brings the catalogue's schema to the newest version; safe to call from several machines at the same time.

Tables change by migrations, each a step. The analysts' views, one file each in `views/`, have only a current state:
they are dropped before migrations run and created again after the last one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InternalError

from gallery.catalogue.connect import translated
from gallery.catalogue.locks import lock_migrations
from gallery.catalogue.tables import SCHEMA
from gallery.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
# In the order in which one needs the other. They run with their owner's rights, so that a reader needs none on the
# tables below, and read the catalogue alone: nothing of Prefect's.
VIEWS = tuple(
    Path(__file__).parent / "views" / f"{name}.sql"
    for name in (
        "upload_history",
        "run_history",
        "image_history",
        "image_days",
        "daily_throughput",
        "stage_latency",
        "failure_reasons",
    )
)


def alembic_config() -> Config:
    """Alembic's configuration; the connection is handed over in its `attributes`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema `gallery` to `revision`, under an advisory lock; does nothing where it is there.

    Raises `TransientError` where the database does not answer, `ConfigurationError` where a view that is not ours
    depends on the analysts' views.
    """
    config = alembic_config()
    head = ScriptDirectory.from_config(config).get_current_head()
    with translated(), engine.begin() as connection:
        lock_migrations(connection)
        wanted = head if revision == "head" else revision
        if _current_revision(connection) == wanted:
            return
        _drop_views(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if wanted == head:
            for file in VIEWS:
                # As it is: a percent sign or a colon in it is no parameter.
                connection.exec_driver_sql(file.read_text(encoding="utf-8"), execution_options={"no_parameters": True})


def _drop_views(connection: Connection) -> None:
    try:
        for file in reversed(VIEWS):
            connection.execute(text(f"DROP VIEW IF EXISTS analytics.{file.stem}"))
    except InternalError as error:
        # PostgreSQL names the dependent object in its second line.
        why = "; ".join(str(error.orig).strip().splitlines()[:2])
        raise ConfigurationError(
            f"the analysts' views cannot be renewed: {why}: drop what depends on them, run `gallery migrate`, and "
            "create it again"
        ) from error


def views_digest() -> str:
    """SHA-256 of all views. The newest migration that changes one names it as `VIEWS`, so that none is forgotten."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in VIEWS)).hexdigest()


def check_revision(connection: Connection) -> None:
    """Raises `ConfigurationError` where the schema is not the one that this code needs."""
    wanted = ScriptDirectory.from_config(alembic_config()).get_current_head()
    found = _current_revision(connection)
    if found != wanted:
        raise ConfigurationError(f"the catalogue is at version {found}, not {wanted}: run `gallery migrate`")


def _current_revision(connection: Connection) -> str | None:
    options = {"version_table_schema": SCHEMA}
    return MigrationContext.configure(connection, opts=options).get_current_revision()
