"""Migrations on databases of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Engine, text

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import (
    GRANTS,
    VIEWS,
    _replace_views,
    alembic_config,
    check_revision,
    check_tables,
    migrate,
    views_digest,
)
from gallery.catalogue.tables import SCHEMA, Base
from gallery.errors import ConfigurationError, TransientError
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


def _downgrade(database: Engine, revision: str) -> None:
    config = alembic_config()
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def test_down_and_up_again_gives_the_same_schema(database: Engine) -> None:
    migrate(database)
    before = description(database)
    _downgrade(database, "base")
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


def views(engine: Engine) -> dict[str, tuple[str, str | None]]:
    """The definition and comment of each of the analysts' views."""
    query = text(
        "SELECT viewname, definition, obj_description(CAST('analytics.' || viewname AS regclass), 'pg_class')"
        " FROM pg_views WHERE schemaname = 'analytics'"
    )
    with engine.connect() as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def test_views_of_another_shape_are_replaced_and_keep_what_was_granted(database: Engine) -> None:
    migrate(database)
    made = views(database)
    assert set(made) == {file.stem for file in VIEWS} == {file.stem for file in VIEWS[0].parent.glob("*.sql")}
    assert all(comment for _, comment in made.values())

    with database.begin() as connection:
        connection.execute(text("DROP VIEW analytics.stage_latency"))
        connection.execute(text("CREATE VIEW analytics.stage_latency AS SELECT 1 AS something"))
        connection.execute(text("GRANT SELECT ON analytics.stage_latency TO PUBLIC"))
        connection.execute(text("GRANT SELECT ON analytics.run_history TO pg_monitor"))
    with database.begin() as connection:
        _replace_views(connection)
    assert views(database) == made
    with database.connect() as connection:
        grants = {tuple(row) for row in connection.execute(text(GRANTS))}
    assert grants == {("stage_latency", "SELECT", "PUBLIC"), ("run_history", "SELECT", "pg_monitor")}


def test_a_migration_that_changes_no_view_leaves_them_and_what_depends_on_them_alone(database: Engine) -> None:
    migrate(database)
    _downgrade(database, _newest_with_views())
    with database.begin() as connection:
        connection.execute(text("CREATE VIEW public.theirs AS SELECT * FROM analytics.stage_latency"))
        connection.execute(text("GRANT SELECT ON analytics.run_history TO pg_monitor"))
    migrate(database)
    assert differences(database) == []
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM public.theirs")) == 0
        assert connection.scalar(text("SELECT has_table_privilege('pg_monitor', 'analytics.run_history', 'SELECT')"))


def test_views_that_are_missing_are_made(database: Engine) -> None:
    migrate(database)
    made = views(database)
    _downgrade(database, _newest_with_views())
    with database.begin() as connection:
        connection.execute(text("DROP VIEW analytics.failure_reasons"))
    migrate(database)
    assert views(database) == made


def _newest_with_views() -> str:
    """The newest migration that changes a view."""
    scripts = ScriptDirectory.from_config(alembic_config())
    newest = next(script.revision for script in scripts.walk_revisions() if hasattr(script.module, "VIEWS"))
    if newest == scripts.get_current_head():
        pytest.skip("no migration follows the newest one that changes a view")
    return newest


def test_a_change_of_a_view_comes_with_a_migration_of_its_own() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    digests = [digest for script in scripts.walk_revisions() if (digest := getattr(script.module, "VIEWS", None))]
    assert digests[0] == views_digest(), "a new migration has to name this digest as VIEWS; see CONTRIBUTING.md"
    # Catalogues have run these already: a digest written into one of them would change no view.
    released = {"bd31aa8985ae0d67d5253d698999f70f774797d82cbd8adad5c80c8677adde5e"}
    assert released <= set(digests)


def test_a_view_of_somebody_else_on_the_views_is_named(database: Engine) -> None:
    migrate(database)
    with database.begin() as connection:
        connection.execute(text("DROP VIEW analytics.stage_latency"))
        connection.execute(text("CREATE VIEW analytics.stage_latency AS SELECT 1 AS something"))
        connection.execute(text("CREATE VIEW public.theirs AS SELECT * FROM analytics.stage_latency"))
    match = r"view theirs depends on view analytics\.stage_latency"
    with pytest.raises(ConfigurationError, match=match), database.begin() as connection:
        _replace_views(connection)


def test_the_version_is_found_whatever_the_search_path(database: Engine) -> None:
    migrate(database)
    with database.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO public"))
        check_revision(connection)


def test_renditions_of_the_former_release_get_the_recipe_that_their_keys_name(database: Engine) -> None:
    migrate(database, "0005")
    # More than two batches.
    recipe, other, versions = "0123abcd" + "e" * 56, "89abcdef", 4_100
    with database.begin() as connection:
        for name in ("image_id", "upload_id_entry_number"):  # the rows stand alone
            connection.execute(text(f"ALTER TABLE gallery.versions DROP CONSTRAINT fk_versions_{name}"))
        connection.execute(
            text(
                "INSERT INTO gallery.versions (version_id, image_id, upload_id, entry_number, sha256, etag, size,"
                " recipe_id, original_key, source_format, width, height) SELECT gen_random_uuid(), gen_random_uuid(),"
                " 'u', 1, 's', 'e', 1, :recipe, 'g/u/1/original.jpg', 'JPEG', 1, 1 FROM generate_series(1, :versions)"
            ),
            {"recipe": recipe, "versions": versions},
        )
        for style, digits in (("large", recipe[:8]), ("thumb-2", other)):
            connection.execute(
                text(
                    "INSERT INTO gallery.renditions (version_id, style, key, width, height, bytes, content_type)"
                    " SELECT version_id, :style, :key, 1, 1, 1, 'image/jpeg' FROM gallery.versions"
                ),
                {"style": style, "key": f"g/u/1/{style}-{digits}.jpg"},
            )
    migrate(database)
    with database.connect() as connection:
        rows = connection.execute(
            text("SELECT style, recipe_id, count(*) FROM gallery.renditions GROUP BY 1, 2 ORDER BY 1")
        ).all()
    assert [tuple(row) for row in rows] == [("large", recipe, versions), ("thumb-2", other, versions)]


def test_several_may_migrate_at_once(database: Engine) -> None:
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(migrate, database) for _ in range(6)]:
            done.result()
    assert differences(database) == []


def test_a_database_that_does_not_answer_is_a_transient_error(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": SecretStr("postgresql://gallery:secret-word@127.0.0.1:9/catalogue")}
    )
    engine = connect(away, application="tests", connections=1)
    with pytest.raises(TransientError) as error:
        migrate(engine)
    assert error.value.reason == "database_unavailable"
    assert "secret-word" not in str(error.value)


def test_a_database_without_a_catalogue_is_told_in_a_sentence(database: Engine) -> None:
    with transaction(database) as session, pytest.raises(ConfigurationError, match=r"no catalogue .* `gallery setup`"):
        check_tables(session.connection())
    migrate(database)
    with transaction(database) as session:
        check_tables(session.connection())
