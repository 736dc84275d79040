"""Brings the catalogue's schema to the newest version; safe to call from several machines at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from gallery.catalogue.connect import translated
from gallery.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do, as long as every caller has the same.
LOCK_KEY = 0x67616C6C


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema `gallery` to `revision`, under an advisory lock; does nothing where it is there.

    Raises `TransientError` where the database does not answer.
    """
    config = alembic_config()
    with translated(), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def check_revision(connection: Connection) -> None:
    """Raises `ConfigurationError` where the schema is not the one that this code needs."""
    wanted = ScriptDirectory.from_config(alembic_config()).get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise ConfigurationError(f"the catalogue is at version {found}, not {wanted}: run `gallery migrate`")
