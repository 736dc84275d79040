"""The analysts' role: it logs in, reads the schema `analytics`, and may do nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ProgrammingError

from gallery.catalogue.connect import translated

ROLE = "gallery_analyst"
SCHEMA = "analytics"
CONNECTIONS = 20
# What each of its sessions begins with. It can change these itself; its rights are what holds.
DEFAULTS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "5min",
    "search_path": SCHEMA,
}


def set_up_analyst(engine: Engine, password: SecretStr | None) -> list[str]:
    """Make the role, with this password, and give it its rights; again, only the password may change.

    Returns a sentence for whatever the database's own rights do not allow, with what to do instead. `None` as
    password makes no role and changes no password. Raises `TransientError` where the database does not answer.
    """
    with translated(), engine.connect() as connection:
        if password is not None and not _run(connection, _role_statements(connection, password.get_secret_value())):
            return [_by_hand(connection)]
        if not _exists(connection):
            return [f"no role {ROLE} for analysts: set GALLERY_ANALYTICS_PASSWORD, then run `gallery setup` again"]
        _run(connection, _grants())
        # A pooler may know the database by another name.
        database = _ask(connection, "SELECT current_database()")
        # Another's database gives these out as its owner likes; the views' rights do not depend on it.
        _run(connection, [_named("GRANT CONNECT ON DATABASE {} TO {}", database, ROLE)])
        _run(connection, [_named("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", database)])
        _run(connection, [sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC")])
    return []


def _role_statements(connection: Connection, password: str) -> Sequence[sql.Composable]:
    # A verifier, as `psql`'s \password sends it: the password itself meets no log of the server.
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    verifier = driver.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256").decode()
    verb = "ALTER" if _exists(connection) else "CREATE"
    options = f" LOGIN NOINHERIT CONNECTION LIMIT {CONNECTIONS} PASSWORD "
    statements = [sql.SQL(verb + " ROLE {}" + options + "{}").format(sql.Identifier(ROLE), sql.Literal(verifier))]
    for name, value in DEFAULTS.items():
        setting = sql.SQL("ALTER ROLE {} SET {} = {}")
        statements.append(setting.format(sql.Identifier(ROLE), sql.Identifier(name), sql.Literal(value)))
    return statements


def _grants() -> Sequence[sql.Composable]:
    return [
        _named("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, ROLE),
        _named("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}", SCHEMA, ROLE),
        # Views that a later migration makes anew.
        _named("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}", SCHEMA, ROLE),
    ]


def _named(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def _exists(connection: Connection) -> bool:
    return bool(_ask(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", ROLE))


def _ask(connection: Connection, query: str, *values: str) -> Any:
    with connection.begin():
        return connection.exec_driver_sql(query, values).scalar_one()


def _run(connection: Connection, statements: Sequence[sql.Composable]) -> bool:
    """All of the statements, or none where one is not allowed."""
    try:
        with connection.begin():
            for statement in statements:
                connection.exec_driver_sql(statement.as_string(), execution_options={"no_parameters": True})
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            return False
        raise
    return True


def _by_hand(connection: Connection) -> str:
    settings = "; ".join(f"ALTER ROLE {ROLE} SET {name} = '{value}'" for name, value in DEFAULTS.items())
    user = _ask(connection, "SELECT current_user")
    return (
        f"PostgreSQL does not let {user} make or change the analysts' role: as its administrator run "
        f"CREATE ROLE {ROLE} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTIONS}; {settings}; and \\password {ROLE} "
        "in psql, then `gallery setup` without GALLERY_ANALYTICS_PASSWORD"
    )
