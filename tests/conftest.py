"""The stack that the tests talk to: real PostgreSQL, S3, Prefect server, worker and API, started once."""

from __future__ import annotations

import base64
import itertools
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import httpx
import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine

from gallery.catalogue.connect import connect
from gallery.catalogue.migrate import migrate
from gallery.local.credentials import Credentials
from gallery.local.definition import PARTS, PartName
from gallery.local.info import StackInfo
from gallery.local.parts.postgres import CATALOGUE
from gallery.local.parts.prefect_settings import NO_AUTHORITY
from gallery.local.set_up import set_up_stack
from gallery.local.stack import LocalStack
from gallery.local.supervisor.ports import is_free
from gallery.local.supervisor.processes import end
from gallery.settings import Settings, load_settings, load_stack_settings
from gallery.storage.s3 import Storage
from tests.faulty_s3 import FaultyS3
from tests.second_api import second_api  # noqa: F401 - a fixture
from tests.second_s3.radosgw import missing, radosgw

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.journeys import Journeys

PROJECT = Path(__file__).resolve().parent.parent
# Short pauses: what is tested is that and when a stage is retried, not how long it waits.
SHORT_PAUSES = {
    "GALLERY_RETRIES": "2",
    "GALLERY_RETRY_DELAY_SECONDS": "0.05",
}
# Accepted beside those that the stack generates: a second caller, and a webhook secret under rotation.
PARTNER_KEY = "a-key-that-only-tests-know"
ROTATED_SECRET = "whsec_" + base64.b64encode(b"a secret that is being rotated out").decode()
# Fixtures that start servers: who uses one, directly or not, gets the marker `servers`.
SERVER_FIXTURES = frozenset({"stores", "new_stack"})
OUTSIDE = ("GALLERY_", "AWS_", "PREFECT_")
# Tests that wait for whole runs, or for parts of the stack that go and come.
LONGEST = ("tests/e2e/", "tests/bench/", "tests/api/test_starter.py")

# Of those that need no servers, the long ones: begun early, so that no process has one of them left in the end.
LONG = ("tests/imaging/test_memory.py", "tests/imaging/test_quality.py", "tests/cli/", "tests/test_layout.py")


def free_ports() -> dict[str, str]:
    """Settings that give a stack ports of its own, whatever other tests run beside it.

    Below the range that the kernel takes ports of connections from, and in a hundred of this process's own.
    """
    start = 20_000 + 100 * (os.getpid() % 100)
    free = (port for port in itertools.count(start) if is_free(port))
    return {variable: str(next(free)) for variable in load_stack_settings({}).ports()}


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would make a part external, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
    return {**kept, **more}


@dataclass(frozen=True)
class Servers:
    """The running stack, as everything under test sees it: S3 through the proxy that can inject faults.

    To the stack S3 is elsewhere: the server behind the proxy is one of its own, `store`, or what `--s3` asks for.
    `environment` is that of the stack's own processes; `given` is what the stack was started with.
    """

    home: Path
    store: LocalStack
    info: StackInfo
    s3: FaultyS3
    environment: dict[str, str]
    given: dict[str, str]

    def restart(self, *parts: PartName, **changed: str) -> None:
        """Start what does not run; first end these parts, to start them with these settings changed."""
        self.end(*parts)
        if not self.store.running()["s3"]:
            self.store.stop()
            self.store.start(attached=True, parts=["s3"])
        LocalStack(self.home, PROJECT, {**self.given, **changed}).start()

    def end(self, *parts: PartName) -> None:
        """End these parts, as a signal from outside does."""
        for part in parts:
            end([psutil.Process(self.pids[part])], PARTS[part].ending, None)

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes of the parts, as they are now."""
        stacks = (LocalStack(self.home, PROJECT, self.given), self.store)
        return {name: pid for stack in stacks if (info := stack.info()) for name, pid in info.pids.items()}


def as_superuser(info: StackInfo, home: Path, database: str = CATALOGUE) -> psycopg.Connection:
    """A connection to the stack's PostgreSQL that may do everything; each statement is a transaction."""
    password = Credentials.load(home / "credentials.json").postgres_password
    address = make_conninfo(info.database_url, user="postgres", password=password, dbname=database)
    return psycopg.connect(address, autocommit=True)


def without_waiting_for_the_disk(info: StackInfo, home: Path) -> None:
    """What is committed outlives PostgreSQL's process, which tests kill, but not the machine, which they do not."""
    with as_superuser(info, home) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--s3", choices=("embedded", "radosgw"), default="embedded", help="the S3 server of the stack")


@pytest.fixture(scope="session")
def s3_elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that name another S3 server to the stack than its own, where `--s3` asks for one."""
    if request.config.getoption("s3") == "embedded":
        yield {}
        return
    if absent := missing():
        pytest.skip(f"there is no {', '.join(absent)}: see `make s3-second`")
    with radosgw(tmp_path_factory.mktemp("radosgw")) as server:
        yield server.environment


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory, s3_elsewhere: dict[str, str]) -> Iterator[Servers]:
    """PostgreSQL and S3, started once a session and ended with it, however it ends."""
    home = tmp_path_factory.mktemp("stack")
    ports = free_ports()
    store = LocalStack(home / "store", PROJECT, clean_environment(**ports, **s3_elsewhere))
    with ExitStack() as ends:
        ends.callback(store.stop)
        direct = store.start(attached=True, parts=["s3"])
        s3 = FaultyS3(direct.s3_endpoint_url)
        credentials = {name: value for name, value in direct.environment().items() if name.startswith("AWS_")}
        environment = clean_environment(
            **SHORT_PAUSES,
            **{**ports, **credentials, "GALLERY_S3_ENDPOINT_URL": s3.url},
            GALLERY_API_KEYS=f"partner:{PARTNER_KEY}",
            GALLERY_WEBHOOK_SECRETS=ROTATED_SECRET,
        )
        ends.callback(s3.close)
        stack = LocalStack(home, PROJECT, environment)
        ends.callback(stack.stop)
        info = stack.start(attached=True, parts=["postgres"])
        without_waiting_for_the_disk(info, home)
        yield Servers(home, store, info, s3, info.process_environment(environment), environment)


@pytest.fixture(scope="session")
def servers(stores: Servers) -> Servers:
    """The stores and everything else; the end of the stores ends it all."""
    stack = LocalStack(stores.home, PROJECT, stores.given)
    info = stack.start(set_up=set_up_stack(PROJECT, stores.given))
    return replace(stores, info=info)


@pytest.fixture(scope="session")
def warm(servers: Servers) -> Iterator[list[str]]:
    """What a module's name and arguments are put behind, as behind `python -m`, to run it with its imports done.

    Linux alone can; elsewhere it is `python -m`.
    """
    if not sys.platform.startswith("linux"):
        yield [sys.executable, "-m"]
        return
    path = servers.home / "warm"
    script = str(PROJECT / "tests" / "warm.py")
    environment = {**servers.environment, "PYTHONPATH": str(PROJECT)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        command, inherited = [sys.executable, script, "serve", str(listener.fileno())], [listener.fileno()]
        with subprocess.Popen(command, env=environment, cwd=PROJECT, pass_fds=inherited) as server:
            yield [sys.executable, "-S", script, "run", str(path)]
            server.terminate()


@contextmanager
def runs_have(servers: Servers, **variables: object) -> Iterator[None]:
    """For a while, workers start the runs of all deployments with these job variables: `command`, or all of `env`."""
    with httpx.Client(base_url=servers.info.prefect_api_url) as prefect:
        former = {item["id"]: item["job_variables"] for item in prefect.post("/deployments/filter", json={}).json()}

        def change(job_variables: Mapping[str, dict[str, object]]) -> None:
            for deployment, values in job_variables.items():
                prefect.patch(f"/deployments/{deployment}", json={"job_variables": values}).raise_for_status()

        change({deployment: {**values, **variables} for deployment, values in former.items()})
        try:
            yield
        finally:
            change(former)


@pytest.fixture(scope="module")
def warm_runs(servers: Servers, warm: list[str]) -> Iterator[None]:
    """Flow runs of a module start warm: for tests about what runs do, not about how their processes come and go.

    They have one decoder subprocess, whose start takes as long as what most of these runs decode.
    """
    with runs_have(servers, command=shlex.join([*warm, "prefect.engine"]), env={"GALLERY_PROCESSORS": "1"}):
        yield


@pytest.fixture(scope="session")
def settings(stores: Servers) -> Settings:
    """The settings that worker and API have."""
    return load_settings(stores.environment)


@pytest.fixture(scope="session")
def engine(settings: Settings) -> Iterator[Engine]:
    """The catalogue of the stack."""
    engine = connect(settings, application="tests")
    migrate(engine)
    yield engine
    engine.dispose()


def storage_of(stores: Servers, settings: Settings) -> Storage:
    """The storage of these settings, with the credentials of the stack's S3."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, stores.environment[name])
        return Storage(settings)


@pytest.fixture(scope="session")
def storage(stores: Servers, settings: Settings) -> Iterator[Storage]:
    """The stack's S3, through the proxy."""
    storage = storage_of(stores, settings)
    storage.create_buckets()
    yield storage
    storage.close()


@pytest.fixture(scope="session")
def s3(stores: Servers) -> S3Client:
    """A client of its own for the stack's S3, to arrange and to look at what the product stores."""
    return boto3.client(
        "s3",
        endpoint_url=stores.s3.url,
        aws_access_key_id=stores.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stores.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=stores.environment["AWS_DEFAULT_REGION"],
    )


@pytest.fixture
def gallery_id() -> str:
    """A gallery of the test's own."""
    return f"g-{uuid4().hex[:12]}"


@pytest.fixture
def journeys(servers: Servers, engine: Engine, storage: Storage, s3: S3Client, tmp_path: Path) -> Iterator[Journeys]:
    """The stack, to send galleries through."""
    from tests.journeys import Journeys

    journeys = Journeys(servers, engine, storage, s3, tmp_path)
    yield journeys
    journeys.close()


def pytest_configure() -> None:
    """Every server is on loopback: no proxy is asked, no client reads all public certificates (20 ms of CPU each)."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    os.environ["SSL_CERT_FILE"] = str(NO_AUTHORITY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that need servers come first, and of them the long ones, so that all processes end at about one time."""
    for item in items:
        if not SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
    waiting = {item.path for item in items if "servers" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda i: (not i.nodeid.startswith(LONGEST), i.path not in waiting, not i.nodeid.startswith(LONG)))
