"""Brings the catalogue's schema to the newest version; safe to call from several machines at the same time.

Tables change by migrations, each a step; one that fills a large table does so in its `afterwards`, in batches. The
analysts' views, one file each in `views/`, have only a current state: they are replaced after a migration that names
their digest (`VIEWS`), and left alone by any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InternalError, ProgrammingError

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
# invalid_table_definition: a column of the view is gone, or has another type.
CANNOT_REPLACE = "42P16"
# What is granted on the views; names are quoted as they need to be.
GRANTS = """
SELECT c.relname, g.privilege_type,
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE CAST(CAST(g.grantee AS regrole) AS text) END
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = CAST('analytics' AS regnamespace) AND c.relkind = 'v' AND g.grantee <> c.relowner
"""


def alembic_config() -> Config:
    """Alembic's configuration; the connection is handed over in its `attributes`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema `gallery` to `revision`, under an advisory lock; does nothing where it is there.

    Raises `TransientError` where the database does not answer, `ConfigurationError` where a view that is not ours
    keeps one of the analysts' views from being replaced.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    with translated():
        with engine.begin() as connection:
            lock_migrations(connection)
            # An index over millions of rows takes its time.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            pending = list(scripts.iterate_revisions(revision, _current_revision(connection) or "base"))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            if revision == "head" and (_changes_views(pending) or not _has_views(connection)):
                _replace_views(connection)
        for script in reversed(pending):
            afterwards: Callable[[Engine], None] | None = getattr(script.module, "afterwards", None)
            if afterwards is not None:
                afterwards(engine)


def _changes_views(pending: Sequence[Script]) -> bool:
    return any(hasattr(script.module, "VIEWS") for script in pending)


def _has_views(connection: Connection) -> bool:
    found = connection.execute(text("SELECT viewname FROM pg_views WHERE schemaname = 'analytics'")).scalars()
    return {file.stem for file in VIEWS} <= set(found)


def _replace_views(connection: Connection) -> None:
    """Bring the views to their current state, and keep what others were granted on them."""
    try:
        with connection.begin_nested():
            _create_views(connection)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != CANNOT_REPLACE:
            raise
        grants = connection.execute(text(GRANTS)).all()
        _drop_views(connection)
        _create_views(connection)
        for view, privilege, role in grants:
            connection.execute(text(f"GRANT {privilege} ON analytics.{view} TO {role}"))


def _create_views(connection: Connection) -> None:
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
            f"the analysts' views cannot be replaced: {why}: drop what depends on them, run `gallery migrate`, and "
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


def check_tables(connection: Connection) -> None:
    """Raises `ConfigurationError` where there is no catalogue; one of another release may do."""
    if _current_revision(connection) is None:
        raise ConfigurationError("there is no catalogue in this database yet: run `gallery setup`")


def _current_revision(connection: Connection) -> str | None:
    options = {"version_table_schema": SCHEMA}
    return MigrationContext.configure(connection, opts=options).get_current_revision()
