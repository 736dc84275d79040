"""A whole gallery with PgBouncer between PostgreSQL and all that is ours: API, worker, runs and commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy.engine import make_url

from gallery.local.stack import LocalStack
from tests.command import gallery
from tests.conftest import OUTSIDE, PROJECT, Servers, as_superuser, clean_environment
from tests.journeys import Journeys, photo, wait_until
from tests.pgbouncer import PgBouncer, pgbouncer
from tests.second_api import free_port

pytestmark = pytest.mark.usefixtures("warm_runs")
POOL = 3
# What PostgreSQL calls the connections of this stack: those of other tests' processes go past the pooler.
NAME = "behind-pgbouncer"
# In session mode, each keeps what it has: API, runs and commands together need no more.
SESSIONS = 60


@pytest.fixture(scope="module")
def pooler(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """In transaction mode."""
    urls = [servers.info.database_url, servers.info.analytics_database_url or ""]
    folder = tmp_path_factory.mktemp("behind") / "pgbouncer"
    options = {"pool_mode": "transaction", "default_pool_size": POOL, "query_wait_timeout": 20}
    with pgbouncer(folder, urls, {"catalogue": ""}, **options) as running:
        yield running


@pytest.fixture(scope="module")
def stack(servers: Servers, pooler: PgBouncer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """API and worker that have the pooler's address for the catalogue's, in place of the session's."""
    given = {name: value for name, value in servers.environment.items() if name.startswith(OUTSIDE)}
    given |= {
        "GALLERY_DATABASE_URL": f"{pooler.url('catalogue')}?application_name={NAME}",
        "GALLERY_ANALYTICS_PASSWORD": make_url(servers.info.analytics_database_url or "").password or "",
        "GALLERY_API_PORT": str(free_port()),
    }
    del given["GALLERY_HOME"]
    servers.end("api", "worker")
    stack = LocalStack(tmp_path_factory.mktemp("behind") / "home", PROJECT, clean_environment(**given))
    try:
        stack.start(attached=True)
        yield stack
    finally:
        stack.stop()
        servers.restart()


@pytest.fixture
def journeys(servers: Servers, stack: LocalStack, journeys: Journeys, tmp_path: Path) -> Iterator[Journeys]:
    """Through that API."""
    info = stack.info()
    assert info is not None
    assert set(info.pids) == {"api", "worker"}
    behind = Journeys(replace(servers, info=info), journeys.engine, journeys.storage, journeys.s3, tmp_path)
    yield behind
    behind.close()


def command(stack: LocalStack, *arguments: str) -> CompletedProcess[str]:
    """A `gallery` command, which works on that stack."""
    return gallery(*arguments, home=stack.home)


def sessions(servers: Servers) -> dict[int, str]:
    """Connections of the stack behind the pooler, as PostgreSQL sees them: the client's port, and its name."""
    query = (
        "SELECT client_port, application_name FROM pg_stat_activity"
        " WHERE datname = 'catalogue' AND application_name = %s"
    )
    with as_superuser(servers.info, servers.home) as admin:
        return dict(admin.execute(query, [NAME]).fetchall())


def test_a_gallery_in_transaction_mode(
    servers: Servers, pooler: PgBouncer, stack: LocalStack, journeys: Journeys, gallery_id: str
) -> None:
    # Of three images, one fails at first.
    files = {f"{number}.jpg": photo(number) for number in range(3)}
    with servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/2/[0-9]+/medium", status=503):
        sent = journeys.send(gallery_id, files)
    assert journeys.outcomes(sent.upload_id)["1.jpg"] == ("failed", "storage_unavailable")
    assert journeys.retry(sent.flow_run_id)["state"]["message"] == "3 of 3 saved"

    # A replacement, while it is looked at who is connected.
    with journeys.held(gallery_id) as go:
        replaced = journeys.accept(gallery_id, {"0.jpg": photo(50), "1.jpg": files["1.jpg"]})
        wait_until(lambda: journeys.is_running(gallery_id) or None, "the run")
        connected = sessions(servers)
        go.set()
    ours = {row[7] for row in pooler.order("SHOW SERVERS")}
    assert 0 < len(connected) <= POOL
    assert set(connected) <= ours
    wait_until(lambda: journeys.upload(replaced).state == "completed" or None, "the replacement")
    assert journeys.outcomes(replaced) == {"0.jpg": ("replaced", None), "1.jpg": ("unchanged", None)}

    rebuilt = journeys.run_deployment("rebuild-renditions", gallery_id=gallery_id, style="medium")
    assert rebuilt["state"]["type"] == "COMPLETED", rebuilt["state"]["message"]
    image = journeys.api.get(f"/v1/galleries/{gallery_id}/images").json()["images"][0]
    assert journeys.api.delete(f"/v1/galleries/{gallery_id}/images/{image['image_id']}").status_code == 204
    swept = command(stack, "sweep", "--delete")
    assert swept.returncode == 0, swept.stdout
    assert journeys.due(gallery_id) == []
    versions = journeys.current(gallery_id)
    assert set(versions) == set(files) - {image["file_name"]}
    # What the failed save has written is left to later sweeps.
    assert journeys.library(gallery_id) >= frozenset().union(*(version.keys for version in versions.values()))

    uploads = json.loads(command(stack, "history", "--gallery", gallery_id, "--json").stdout)["uploads"]
    assert [(row["upload_id"], row["state"]) for row in uploads] == [
        (replaced, "completed"),
        (sent.upload_id, "completed"),
    ]
    for arguments in ("migrate", "failures", "report", "history prune"):
        done = command(stack, *arguments.split())
        assert done.returncode == 0, done.stderr
    checked = {item["name"]: item for item in json.loads(command(stack, "check", "--json").stdout)}
    assert checked["database: catalogue and its version"]["problem"] is None


def test_a_gallery_in_session_mode(pooler: PgBouncer, stack: LocalStack, journeys: Journeys, gallery_id: str) -> None:
    pooler.order(f"SET default_pool_size = {SESSIONS}")
    pooler.order("SET pool_mode = 'session'")
    try:
        assert journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2)}).counts["saved"] == 2
        done = command(stack, "history", "--gallery", gallery_id)
        assert done.returncode == 0, done.stderr
    finally:
        pooler.order("SET pool_mode = 'transaction'")
