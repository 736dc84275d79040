"""A stack of worker and API alone, where PostgreSQL, S3 and Prefect's server are elsewhere."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from gallery.client.api import GalleryClient
from gallery.client.ingest import ingest_folder
from gallery.client.progress import NoProgress
from gallery.local.set_up import set_up_stack
from gallery.local.stack import LocalStack
from gallery.settings import Settings
from gallery.storage.bucket_rules import set_bucket_rules
from tests.command import error_of, gallery
from tests.conftest import PROJECT, Servers, clean_environment
from tests.journeys import Journeys, photo, write_folder
from tests.second_api import free_port

ELSEWHERE = (
    "GALLERY_DATABASE_URL",
    "GALLERY_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "PREFECT_API_URL",
)


@pytest.fixture
def bucket_rules_as_before(servers: Servers, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The set-up of the test's stack lets its own page send to the bucket, in place of the session's."""
    yield
    for name in ELSEWHERE:
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, servers.environment[name])
    set_bucket_rules(settings)


@contextmanager
def started_by_a_script() -> Iterator[None]:
    """As a shell script starts programs with `&`: they ignore Ctrl+C, and so does what they start."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("bucket_rules_as_before")
def test_a_gallery_goes_through_servers_that_are_elsewhere(
    servers: Servers, journeys: Journeys, gallery_id: str, tmp_path: Path
) -> None:
    environment = clean_environment(
        **{name: servers.environment[name] for name in ELSEWHERE}, GALLERY_API_PORT=str(free_port())
    )
    stack = LocalStack(tmp_path / "home", PROJECT, environment)
    try:
        with started_by_a_script():
            info = stack.start(set_up=set_up_stack(PROJECT, environment))
        assert set(info.pids) == {"worker", "api"}
        assert info.prefect_api_url == servers.info.prefect_api_url
        folder = write_folder(tmp_path / "folder", {"IMG.jpg": photo(1)})
        with GalleryClient(info.api_url, info.api_key) as client:
            result = ingest_folder(client, folder, gallery_id, NoProgress(), timeout=60)
        assert (result.state, result.counts["saved"]) == ("completed", 1)
        # From a shell that knows nothing of these servers.
        assert LocalStack(stack.home, PROJECT, clean_environment()).info() == info
        shown = gallery("history", "--gallery", gallery_id, "--json", home=stack.home)
        assert [upload["gallery_id"] for upload in json.loads(shown.stdout)["uploads"]] == [gallery_id]
        assert gallery("migrate", home=stack.home).returncode == 0
        refused = gallery("check", home=stack.home, PREFECT_API_AUTH_STRING="user:another")
        assert "another PREFECT_API_AUTH_STRING than the running stack" in error_of(refused)
    finally:
        stack.stop()
    assert stack.running() == dict.fromkeys(("postgres", "s3", "prefect_server", "worker", "api"), False)
    worker_log = (stack.home / "logs" / "worker.log").read_text()
    assert "Worker 'local' stopped!" in worker_log, "it was ended by force"
    # What is elsewhere is nobody's to stop.
    assert all(psutil.pid_exists(pid) for pid in servers.pids.values())
    assert httpx.get(f"{servers.info.prefect_api_url}/health").is_success
    assert set(journeys.current(gallery_id)) == {"IMG.jpg"}
