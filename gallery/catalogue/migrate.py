"""Brings the catalogue's schema to the newest version; safe to call from several machines at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from gallery.catalogue.connect import translated

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
