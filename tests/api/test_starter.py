"""Accepted means stored: whatever becomes of Prefect or of the API's process, the run comes, once."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gallery.local.supervisor.ports import HOST
from gallery.local.supervisor.readiness import answers
from gallery.models import FINAL_STATES
from tests.api.conftest import Api, runs_of
from tests.conftest import PROJECT, Servers
from tests.journeys import Journeys, photo, wait_until


def unused_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def another_api(servers: Servers, prefect_port: int, log: Path) -> Iterator[tuple[Api, subprocess.Popen[bytes]]]:
    """A second API on the same catalogue, which looks for Prefect on `prefect_port`."""
    port = unused_port()
    environment = {
        **servers.environment,
        "PREFECT_API_URL": f"http://{HOST}:{prefect_port}/api",
        "GALLERY_API_PORT": str(port),
        "PYTHONPATH": str(PROJECT),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gallery.cli", "serve"], cwd=PROJECT, env=environment, stdout=output, stderr=output
        )
    api = Api(f"http://{HOST}:{port}", servers.info.api_key, servers.info.webhook_secret)
    try:

        def is_ready() -> bool | None:
            assert process.poll() is None, log.read_text()
            return answers(f"http://{HOST}:{port}/readyz") or None

        wait_until(is_ready, "the second API")
        yield api, process
    finally:
        api.http.close()
        process.kill()
        process.wait()


def staged(api: Api, gallery_id: str) -> str:
    """An upload whose one file has arrived."""
    content = photo(3)
    answer = api.opened(gallery_id, {"a.jpg": content})
    assert api.send_file(answer["files"][0], content).is_success
    return str(answer["upload_id"])


def ended(api: Api, upload_id: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        status: dict[str, Any] = api.status(upload_id).json()
        return status if status["state"] in FINAL_STATES else None

    return wait_until(final, f"the end of {upload_id}")


@pytest.mark.parametrize("prefect", ["refuses connections", "never answers"])
def test_an_upload_accepted_while_prefect_is_away_is_started_once_by_whoever_reaches_it(
    api: Api, journeys: Journeys, servers: Servers, gallery_id: str, tmp_path: Path, prefect: str
) -> None:
    with ExitStack() as stack:
        port = unused_port()
        if prefect == "never answers":
            silent = stack.enter_context(socket.create_server((HOST, 0)))
            port = silent.getsockname()[1]
        other, process = stack.enter_context(another_api(servers, port, tmp_path / "api.log"))
        upload_id = staged(other, gallery_id)
        # The answer does not wait for Prefect: with the silent one it could not come.
        answer = other.complete(upload_id)
        assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
        # Killed between store and start: nothing is lost.
        process.kill()
        process.wait()
        assert journeys.upload(upload_id).accepted_seq is not None

    status = ended(api, upload_id)
    assert (status["state"], status["counts"]["saved"]) == ("completed", 1)
    assert [run["id"] for run in runs_of(servers, gallery_id)] == [status["flow_run_id"]]


def test_two_apis_that_look_for_work_start_one_run(api: Api, servers: Servers, gallery_id: str, tmp_path: Path) -> None:
    prefect_port = int(servers.info.prefect_api_url.split(":")[2].split("/")[0])
    with another_api(servers, prefect_port, tmp_path / "api.log") as (other, _):
        upload_id = staged(api, gallery_id)
        assert api.complete(upload_id).status_code == other.complete(upload_id).status_code == 202
        status = ended(api, upload_id)
    assert [run["id"] for run in runs_of(servers, gallery_id)] == [status["flow_run_id"]]
