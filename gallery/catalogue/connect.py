"""Engines and transactions. Errors of the connection become `TransientError`: the same call may succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gallery.errors import TransientError
from gallery.settings import Settings

# Seconds. A blocked call in a thread cannot be interrupted from outside, so each wait has its own end.
CONNECT_TIMEOUT = 5
POOL_TIMEOUT = 30
LOCK_TIMEOUT = 30
STATEMENT_TIMEOUT = 120
# A process that is frozen in a transaction keeps its locks no longer: less than others wait for them.
IDLE_TIMEOUT = 20

# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection trouble, no resources, a
# server that shuts down, a deadlock or a lock wait that ran out. What is not here is a defect of ours.
TRANSIENT_SQLSTATES = ("08", "40", "53", "57", "55P03", "58")


def connect(settings: Settings, *, application: str, connections: int | None = None) -> Engine:
    """An engine with at most `connections` connections (default: `settings.connections`)."""
    return create_engine(
        settings.sqlalchemy_url,
        pool_size=connections or settings.connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": application,
            "options": f"-c lock_timeout={LOCK_TIMEOUT}s -c statement_timeout={STATEMENT_TIMEOUT}s"
            f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT}s -c timezone=UTC",
            # TCP's own patience with a server that vanished is two hours.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    )


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
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or _sqlstate(error).startswith(TRANSIENT_SQLSTATES):
            raise _unavailable(error) from error
        raise


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _unavailable(error: Exception) -> TransientError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return TransientError("database_unavailable", f"the catalogue's database: {cause[0] if cause else error!r}")
