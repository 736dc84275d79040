"""The analysts' role reads the schema `analytics`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from gallery.catalogue.analyst import ROLE, set_up_analyst
from gallery.catalogue.connect import connect
from gallery.local.info import StackInfo
from gallery.settings import Settings
from tests.catalogue.conftest import Catalogue, address_of
from tests.conftest import Servers

Connection = psycopg.Connection[Any]


def log_in(info: StackInfo, password: str | None = None, database: str | None = None) -> Connection:
    url = make_url(info.analytics_database_url or "")
    url = url.set(password=password or url.password, database=database or url.database)
    return psycopg.connect(url.render_as_string(hide_password=False), connect_timeout=5, autocommit=True)


@pytest.fixture(scope="module")
def password(engine: Engine, stores: Servers) -> Iterator[SecretStr]:
    """The stack's own, which the role has; and has again in the end."""
    own = SecretStr(make_url(stores.info.analytics_database_url or "").password or "")
    assert set_up_analyst(engine, own) == []
    yield own
    set_up_analyst(engine, own)


@pytest.fixture
def analyst(password: SecretStr, stores: Servers) -> Iterator[Connection]:
    with log_in(stores.info) as connection:
        # What it may do is a matter of rights, not of the session's polite beginning.
        connection.execute("SET default_transaction_read_only = off")
        yield connection


VIEWS = (
    "upload_history", "run_history", "image_history", "image_days", "daily_throughput", "stage_latency",
    "failure_reasons",
)  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_it_reads_every_view_by_its_bare_name(analyst: Connection, view: str) -> None:
    assert analyst.execute(f"SELECT * FROM {view} LIMIT 1").description is not None


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM gallery.uploads",
        "SELECT * FROM gallery.entry_attempts",
        "SELECT nextval('gallery.accepted_seq')",
        "INSERT INTO analytics.upload_history (upload_id) VALUES ('x')",
        "DELETE FROM analytics.image_days",
        "DELETE FROM gallery.uploads",
        "CREATE TABLE mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "CREATE TABLE analytics.mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "SET ROLE gallery",
        "SET SESSION AUTHORIZATION gallery",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_it_can_do_nothing_else(analyst: Connection, statement: str) -> None:
    # The second is what PostgreSQL says, before it looks at rights, of views that nobody can write through.
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        analyst.execute(statement)


@pytest.mark.parametrize("database", ["prefect", "postgres"])
def test_it_has_no_business_in_other_databases(password: SecretStr, stores: Servers, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        log_in(stores.info, database=database)


def test_its_sessions_begin_read_only_and_with_an_end_to_queries(password: SecretStr, stores: Servers) -> None:
    with log_in(stores.info) as connection:
        names = ("default_transaction_read_only", "statement_timeout", "search_path")
        values = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        assert values == [("on",), ("1min",), ("analytics",)]
        rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        row = connection.execute(f"SELECT {rights} FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
        assert row == (False,) * 5
        member = connection.execute("SELECT 1 FROM pg_auth_members WHERE member = %s::regrole", [ROLE])
        assert member.fetchone() is None


def test_a_new_password_takes_the_place_of_the_old_one(password: SecretStr, engine: Engine, stores: Servers) -> None:
    assert set_up_analyst(engine, SecretStr("another-password")) == []
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(stores.info)
    log_in(stores.info, "another-password").close()
    # Without a password, a role that is there keeps its own.
    assert set_up_analyst(engine, None) == []
    log_in(stores.info, "another-password").close()
    assert set_up_analyst(engine, password) == []
    log_in(stores.info).close()


def test_the_server_is_told_a_verifier_and_not_the_password(engine: Engine, password: SecretStr) -> None:
    secret = "a-password-to-look-for"
    sent: list[str] = []
    original = psycopg.Cursor.execute

    def noting(self: psycopg.Cursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(str(query))
        return original(self, query, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", noting)
        set_up_analyst(engine, SecretStr(secret))
    set_up_analyst(engine, password)
    assert any("SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(secret in statement for statement in sent)


def test_where_roles_may_not_be_made_one_line_says_what_to_run(settings: Settings, catalogue: Catalogue) -> None:
    database = catalogue.engine.url.database or ""
    url = address_of(settings, database, user="modest")
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as admin:
        admin.execute("CREATE ROLE modest LOGIN PASSWORD 'modest'")
        modest = connect(settings.model_copy(update={"database_url": url}), application="tests", connections=1)
        try:
            admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO modest").format(sql.Identifier(database)))
            (sentence,) = set_up_analyst(modest, SecretStr("a-password-to-look-for"))
        finally:
            modest.dispose()
            admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM modest").format(sql.Identifier(database)))
            admin.execute("DROP ROLE modest")
    assert f"CREATE ROLE {ROLE} LOGIN" in sentence
    assert "modest" in sentence
    assert "\n" not in sentence
    assert "a-password-to-look-for" not in sentence
