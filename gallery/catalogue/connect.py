"""Engines and transactions. Errors of the connection become `TransientError`: the same call may succeed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gallery.catalogue.unavailable import READ_ONLY, TRANSIENT_SQLSTATES, sqlstate, unavailable
from gallery.settings import Settings

# Seconds. A blocked call in a thread cannot be interrupted from outside, so each wait has its own end.
CONNECT_TIMEOUT = 5
POOL_TIMEOUT = 30
LOCK_TIMEOUT = 30
STATEMENT_TIMEOUT = 120
# A process that is frozen in a transaction keeps its locks no longer: less than others wait for them.
IDLE_TIMEOUT = 20

# A pooler such as PgBouncer gives each transaction the server connection that is free: what holds for a session would
# hold for others, or not at all. So the settings go with each transaction, and with its BEGIN, in one round trip.
BEGIN = (
    f"BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'; SET LOCAL timezone = 'UTC'"
)
# Of a connection; the address may say otherwise.
PARAMETERS = {
    "connect_timeout": CONNECT_TIMEOUT,
    # TCP's own patience with a server that vanished is two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def connect(settings: Settings, *, application: str, connections: int | None = None) -> Engine:
    """An engine with at most `connections` connections (default: `settings.connections`).

    Nothing in it relies on the state of a session, so that a pooler in transaction mode may stand before the server.
    """
    # By libpq: SQLAlchemy does not know all of its forms, such as several hosts.
    address = conninfo_to_dict(settings.database_url.get_secret_value())
    engine = create_engine(
        URL.create("postgresql+psycopg", database=str(address.get("dbname", ""))),
        pool_size=connections or settings.connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        connect_args={
            "application_name": application,
            **PARAMETERS,
            **address,
            # The driver then sends no BEGIN of its own.
            "autocommit": True,
        },
    )
    event.listen(engine, "connect", _prepare_if_direct)
    event.listen(engine, "begin", _begin)
    # Rows are inserted by one statement, not by one each.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "do_executemany", _execute_many)
    event.listen(engine, "handle_error", _leave_replica)
    return engine


def _prepare_if_direct(connection: psycopg.Connection[tuple[Any, ...]], _record: object) -> None:
    """Have statements prepared only where nothing stands between us and the server: they belong to the session.

    A pooler names a process of its own when it lets us in, not the server's.
    """
    process = connection.execute("SELECT pg_backend_pid()").fetchone()
    if process is None or process[0] != connection.info.backend_pid:
        connection.prepare_threshold = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(BEGIN, execution_options={"no_parameters": True})


def _execute_many(cursor: psycopg.Cursor[Any], statement: str, parameters: Sequence[Any], _context: object) -> bool:
    """Execute `statement` for each of `parameters`, and leave the server as watchful as after any other statement.

    The driver's last message then is a Flush, after which PostgreSQL no longer looks at how long a transaction idles: a
    process that is frozen there would keep its locks for good. Any statement makes it look again.
    """
    if len(parameters) == 1:
        cursor.execute(statement, parameters[0])
    else:
        cursor.executemany(statement, parameters)
        cursor.connection.execute("")
    return True


def _leave_replica(context: ExceptionContext) -> None:
    """After a failover, connect again: every connection of the pool leads to a server that no longer takes writes."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    Raises `TransientError` (`database_unavailable`) for what may pass by itself.
    """
    with translated(), Session(engine, expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except Exception:
            session.rollback()
            raise
        except BaseException:
            # A signal, that of a cancelled run: it may have come in the middle of a statement, and such a connection is
            # of no use to the next who takes it out of the pool.
            session.invalidate()
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the database that may pass by themselves into `TransientError` (`database_unavailable`)."""
    try:
        yield
    except PoolTimeout as error:
        raise unavailable(error) from error
    except DBAPIError as error:
        passes = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        if passes or sqlstate(error.orig).startswith(TRANSIENT_SQLSTATES):
            raise unavailable(error.orig) from error
        raise
