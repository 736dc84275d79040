"""A PostgreSQL that does not take what is asked of it: what passes is transient, and one line says what to do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import Engine, text

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import migrate
from gallery.errors import TransientError
from gallery.local.info import StackInfo
from gallery.local.stack import LocalStack
from gallery.settings import load_settings
from tests.catalogue.conftest import Catalogue, commit
from tests.command import error_of, gallery
from tests.conftest import PROJECT, as_superuser, clean_environment, free_ports
from tests.journeys import wait_until

pytestmark = pytest.mark.servers
BUCKETS = {"GALLERY_UPLOADS_BUCKET": "uploads-bucket", "GALLERY_LIBRARY_BUCKET": "library-bucket"}
Connect = Callable[..., Engine]


@dataclass(frozen=True)
class OwnServer:
    """A PostgreSQL of these tests alone."""

    home: Path
    stack: LocalStack
    info: StackInfo

    @property
    def secret(self) -> str:
        return self.info.database_url.partition("//gallery:")[2].partition("@")[0]

    def order(self, statement: str) -> None:
        """Run one statement as superuser."""
        with as_superuser(self.info, self.home) as admin:
            admin.execute(statement.encode())

    @contextmanager
    def as_replica(self) -> Iterator[None]:
        """For a while, new sessions of the catalogue's user may not write."""
        self.order("ALTER ROLE gallery SET default_transaction_read_only = on")
        try:
            yield
        finally:
            self.order("ALTER ROLE gallery RESET default_transaction_read_only")

    def end_sessions(self) -> None:
        """End all of the catalogue's user, and wait until they are gone."""
        self.order("SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE usename = 'gallery'")

    def crash(self) -> None:
        """End all processes at once, without writing anything down."""
        process = psutil.Process(self.stack.info().pids["postgres"])  # type: ignore[union-attr]
        process.send_signal(signal.SIGQUIT)
        process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    home = tmp_path_factory.mktemp("own")
    stack = LocalStack(home, PROJECT, clean_environment(**free_ports()))
    try:
        yield OwnServer(home, stack, stack.start(attached=True, parts=["postgres"]))
    finally:
        stack.stop()


@pytest.fixture
def connected(server: OwnServer) -> Iterator[Connect]:
    """Makes engines of the server's catalogue; `url` is another address of it."""
    with ExitStack() as stack:

        def make(url: str = server.info.database_url) -> Engine:
            settings = load_settings({**BUCKETS, "GALLERY_DATABASE_URL": url})
            engine = connect(settings, application="tests", connections=2)
            stack.callback(engine.dispose)
            return engine

        yield make


def write(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text("CREATE TABLE written ()"))
        session.execute(text("DROP TABLE written"))


def refusal(server: OwnServer, step: Callable[[], object]) -> str:
    """What a step says that must fail for the moment: one line, without the password."""
    with pytest.raises(TransientError) as error:
        step()
    assert error.value.reason == "database_unavailable"
    message = str(error.value)
    assert message.startswith("the catalogue's database: ")
    assert "\n" not in message
    assert server.secret not in message
    return message


def test_connections_to_a_server_that_became_a_replica_are_given_up(server: OwnServer, connected: Connect) -> None:
    engine = connected()
    with server.as_replica():
        # Two in the pool, as the connections are that outlive a failover.
        with engine.connect() as one, engine.connect() as other:
            assert one.scalar(text("SELECT 1")) == other.scalar(text("SELECT 1"))
        message = refusal(server, lambda: write(engine))
    assert "the server is a read-only replica" in message
    for _ in range(2):
        write(engine)


def test_a_restart_in_the_middle_of_a_save_is_transient_and_the_save_can_be_repeated(
    server: OwnServer, connected: Connect
) -> None:
    catalogue = Catalogue(connected())
    migrate(catalogue.engine)
    attempt = catalogue.begun("gallery")
    entry = catalogue.entries(attempt)[0]

    def save_while_it_restarts() -> None:
        with transaction(catalogue.engine) as session:
            commit(session, attempt, entry, "content")
            server.crash()

    refusal(server, save_while_it_restarts)
    refusal(server, lambda: catalogue.save(attempt, "content"))
    server.stack.start(parts=["postgres"])
    assert catalogue.versions("gallery") == []
    assert catalogue.save(attempt, "content").outcome == "saved"
    assert len(catalogue.versions("gallery")) == 1


def test_a_server_whose_connections_are_all_taken_says_so(server: OwnServer, connected: Connect) -> None:
    with ExitStack() as taken:

        def take_all() -> bool | None:
            try:
                while True:
                    taken.enter_context(psycopg.connect(server.info.database_url))
            except psycopg.OperationalError:
                return True

        wait_until(take_all, "the server to refuse one more")
        message = refusal(server, lambda: write(connected()))
        assert message.endswith(": raise the limit at the server or its pooler, or run fewer processes")
    write(connected())


def test_a_password_that_changed_is_named_and_not_shown(server: OwnServer, connected: Connect) -> None:
    engine = connected()
    write(engine)
    server.order("ALTER ROLE gallery PASSWORD 'another'")
    # Who is in stays in.
    write(engine)
    server.end_sessions()
    message = refusal(server, lambda: write(engine))
    assert message.endswith(": correct the user or the password in GALLERY_DATABASE_URL")
    server.order(f"ALTER ROLE gallery PASSWORD '{server.secret}'")
    write(engine)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({":": ":x"}, "correct the user or the password in GALLERY_DATABASE_URL"),
        ({"/catalogue": "/nowhere"}, "create this database, or correct its name in GALLERY_DATABASE_URL"),
        ({"/catalogue": "/catalogue?sslmode=require"}, "switch TLS on at the server, or remove sslmode from"),
    ],
    ids=["password", "database", "tls"],
)
def test_setup_says_in_one_line_what_to_correct(
    server: OwnServer, tmp_path: Path, wrong: dict[str, str], advice: str
) -> None:
    url = server.info.database_url
    for right, other in wrong.items():
        url = url.replace(f"gallery{right}" if right == ":" else right, f"gallery{other}" if right == ":" else other)
    line = error_of(gallery("setup", home=tmp_path, GALLERY_DATABASE_URL=url, **BUCKETS))
    assert line.startswith("the catalogue's database: ")
    assert advice in line
    assert server.secret not in line


def test_of_several_hosts_the_one_that_takes_writes_is_used(server: OwnServer, connected: Connect) -> None:
    hosts = server.info.database_url.replace("@127.0.0.1", "@127.0.0.1:9,127.0.0.1")
    write(connected(f"{hosts}?target_session_attrs=read-write"))
    with server.as_replica():
        refusal(server, lambda: write(connected(f"{hosts}?target_session_attrs=read-write")))
