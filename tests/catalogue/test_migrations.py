"""Migrations on databases of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Engine, text

from gallery.catalogue.connect import connect
from gallery.catalogue.migrate import alembic_config, migrate
from gallery.catalogue.tables import SCHEMA, Base
from gallery.errors import TransientError
from gallery.settings import Settings

NewDatabase = Callable[[], Engine]
# All that PostgreSQL knows of a schema, in its own words.
DESCRIPTION = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default, is_identity)
FROM information_schema.columns WHERE table_schema = :schema AND table_name <> 'alembic_version'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = CAST(:schema AS regnamespace) AND conname NOT LIKE 'alembic%'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename <> 'alembic_version'
UNION ALL
SELECT 'sequence', sequencename, data_type || ' ' || increment_by FROM pg_sequences WHERE schemaname = :schema
ORDER BY 1, 2
"""


def description(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(DESCRIPTION), {"schema": SCHEMA})]


def differences(engine: Engine) -> list[object]:
    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "schema" or name == SCHEMA

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_name": ours, "version_table_schema": SCHEMA, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


@pytest.fixture
def database(databases: NewDatabase) -> Engine:
    return databases()


def test_models_and_migrated_schema_agree(database: Engine, databases: NewDatabase) -> None:
    migrate(database)
    assert differences(database) == []

    modelled = databases()
    with modelled.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        Base.metadata.create_all(connection)
    migrated = description(database)
    assert len(migrated) > 80
    assert migrated == description(modelled)


def test_down_and_up_again_gives_the_same_schema(database: Engine) -> None:
    migrate(database)
    before = description(database)
    config = alembic_config()
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert description(database) == []
    migrate(database)
    assert description(database) == before


def test_migrating_again_keeps_the_rows(database: Engine) -> None:
    migrate(database)
    with database.begin() as connection:
        connection.execute(text("INSERT INTO gallery.galleries (gallery_id) VALUES ('kept')"))
    migrate(database)
    with database.connect() as connection:
        assert connection.scalar(text("SELECT gallery_id FROM gallery.galleries")) == "kept"


def test_several_may_migrate_at_once(database: Engine) -> None:
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(migrate, database) for _ in range(6)]:
            done.result()
    assert differences(database) == []


def test_a_database_that_does_not_answer_is_a_transient_error(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": SecretStr("postgresql+psycopg://gallery:secret-word@127.0.0.1:9/catalogue")}
    )
    engine = connect(away, application="tests", connections=1)
    with pytest.raises(TransientError) as error:
        migrate(engine)
    assert error.value.reason == "database_unavailable"
    assert "secret-word" not in str(error.value)
