"""PgBouncer before PostgreSQL: its clients share few connections, and its own errors pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from gallery.catalogue.analyst import set_up_analyst
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import migrate
from gallery.errors import TransientError
from gallery.history.source import open_history
from gallery.settings import Settings
from tests.catalogue.conftest import Catalogue, NewDatabase
from tests.conftest import Servers, as_superuser
from tests.pgbouncer import PgBouncer, pgbouncer

MODES = ("transaction", "session")
POOL = 2
NAMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "timezone")
SETTINGS = ", ".join(f"current_setting('{name}')" for name in NAMES)
Connect = Callable[..., Engine]


@pytest.fixture(scope="module")
def pooler(stores: Servers, databases: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """Two empty databases, each under the name of its mode; their server is not in UTC."""
    names = {mode: databases().url.database for mode in MODES}
    with as_superuser(stores.info, stores.home) as admin:
        for name in names.values():
            statement = sql.SQL("ALTER DATABASE {} SET timezone = 'Pacific/Chatham'")
            admin.execute(statement.format(sql.Identifier(name or "")))
    known = {mode: f"dbname={name} pool_mode={mode}" for mode, name in names.items()}
    folder = tmp_path_factory.mktemp("pooler") / "pgbouncer"
    with pgbouncer(folder, [stores.info.database_url], known, default_pool_size=POOL, query_wait_timeout=20) as running:
        yield running


@pytest.fixture
def through(pooler: PgBouncer, settings: Settings) -> Iterator[Connect]:
    """Makes engines that connect through PgBouncer in a mode of it, or directly where `mode` is `None`."""
    made: list[Engine] = []

    def make(mode: str | None = "transaction", connections: int = 1) -> Engine:
        update = {} if mode is None else {"database_url": SecretStr(pooler.url(mode))}
        made.append(connect(settings.model_copy(update=update), application="tests", connections=connections))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def backend(engine: Engine) -> int:
    with transaction(engine) as session:
        found: int = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        return found


@pytest.mark.parametrize("mode", MODES)
def test_a_catalogue_is_made_filled_and_read_through_it(
    through: Connect, pooler: PgBouncer, stores: Servers, mode: str
) -> None:
    engine = through(mode)
    migrate(engine)
    password = SecretStr(make_url(stores.info.analytics_database_url or "").password or "")
    assert set_up_analyst(engine, password) == []
    catalogue = Catalogue(engine)
    # More often than the driver repeats a statement before it would prepare it.
    for number in range(8):
        first = catalogue.begun(f"g-{number}", "a.jpg", "b.jpg")
        assert catalogue.save(first, "content").outcome == "saved"
        catalogue.complain(first, number=2)
        again = catalogue.begun(f"g-{number}", "a.jpg")
        assert catalogue.settle(again, "content") == {1: "unchanged"}
    with open_history(pooler.url(mode)) as history:
        outcomes = history.ask("SELECT outcome, count(*) FROM image_history GROUP BY 1 ORDER BY 1", {})
    assert outcomes.rows == [("failed", 8), ("saved", 8), ("unchanged", 8)]


def test_many_clients_share_few_connections_and_leave_no_settings_in_them(through: Connect, pooler: PgBouncer) -> None:
    clients = 3 * POOL

    def work(_: int) -> list[tuple[int, tuple[str, ...], tzinfo | None]]:
        engine, seen = through(), []
        for _ in range(8):
            with transaction(engine) as session:
                pid, now, *settings = session.execute(text(f"SELECT pg_backend_pid(), now(), {SETTINGS}")).one()
                seen.append((pid, tuple(settings), now.tzinfo))
        return seen

    with ThreadPoolExecutor(clients) as threads:
        seen = [row for rows in threads.map(work, range(clients)) for row in rows]
    assert len({pid for pid, _, _ in seen}) <= POOL
    assert {settings for _, settings, _ in seen} == {("30s", "2min", "20s", "UTC")}
    assert {str(zone) for _, _, zone in seen} == {"UTC"}
    with psycopg.connect(pooler.url("transaction"), autocommit=True) as other:
        assert other.execute(f"SELECT {SETTINGS}".encode()).fetchone() == ("0", "0", "0", "Pacific/Chatham")


def test_a_pooler_that_is_paused_or_full_is_a_transient_error(through: Connect, pooler: PgBouncer) -> None:
    engine = through()
    backend(engine)
    pooler.order("SET query_wait_timeout = 1")
    pooler.order("PAUSE transaction")
    with pytest.raises(TransientError, match="query_wait_timeout: no connection to the server became free"):
        backend(engine)
    pooler.order("RESUME transaction")
    pooler.order("SET query_wait_timeout = 20")
    backend(engine)

    pooler.order("SET max_client_conn = 0")
    with pytest.raises(TransientError, match=r"no more connections allowed .*: raise the limit at the server"):
        backend(through())
    pooler.order("SET max_client_conn = 100")
    backend(engine)


@pytest.mark.parametrize("by", ["server", "pooler"])
@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_connection_that_is_cut_in_a_transaction_is_a_transient_error(
    through: Connect, pooler: PgBouncer, stores: Servers, by: str, moment: str
) -> None:
    engine = through()
    with pytest.raises(TransientError, match="the catalogue's database: "), transaction(engine) as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        if by == "server":
            with as_superuser(stores.info, stores.home) as admin:
                # Waits until it is gone, for at most so many milliseconds.
                admin.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])
        else:
            pooler.order("KILL transaction")
        if moment == "statement":
            session.execute(text("SELECT 1"))
    if by == "pooler":
        pooler.order("RESUME transaction")
    assert backend(engine) != pid


@pytest.mark.parametrize("mode", [None, *MODES], ids=["direct", *MODES])
def test_statements_are_prepared_only_where_nothing_stands_between(through: Connect, mode: str | None) -> None:
    used = through(mode)
    for _ in range(12):
        with transaction(used) as session:
            assert session.execute(text("SELECT 1 + CAST(:one AS integer)"), {"one": 1}).scalar() == 2
    with transaction(used) as session:
        prepared = session.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    assert (prepared > 0) == (mode is None)
