"""A worker that is gone between its claim of a run and the start of the run's process: the upload is taken up again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest

from gallery.local.parts.worker import INTERRUPTIBLE
from tests.conftest import PROJECT, Servers
from tests.faulty_s3 import FaultyS3
from tests.journeys import WAIT_SECONDS, Journeys, photo
from tests.second_api import SecondApi, running_api

# Long enough for a run to start.
START_MINUTES = "0.25"
FILES = {f"IMG_{number}.jpg": photo(number) for number in range(4)}


@pytest.fixture(scope="module")
def impatient_api(servers: Servers, warm: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An API that soon takes up a run that does not start."""
    environment = {**servers.environment, "GALLERY_START_MINUTES": START_MINUTES}
    with running_api(warm, environment, tmp_path_factory.mktemp("impatient") / "api.log"):
        yield


class HeldWorker:
    """A worker of the test's own, the only one, that comes no further than the claim of its first run.

    It sees Prefect's server through a proxy that holds its next request, once the run is `Pending`.
    """

    def __init__(self, servers: Servers, log: Path) -> None:
        address, _, _ = servers.info.prefect_api_url.rpartition("/api")
        self._proxy = FaultyS3(address)
        self._claimed, self._go, self._proposals = Event(), Event(), 0
        environment = servers.info.process_environment(servers.given)
        command = (sys.executable, "-c", INTERRUPTIBLE, "worker", "start", "--pool", "gallery", "--type", "process")
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            (*command, "--name", "held"),
            cwd=PROJECT,
            env={**environment, "PREFECT_API_URL": f"{self._proxy.url}/api"},
            stdout=self._log,
            stderr=self._log,
        )
        self.process = psutil.Process(self._process.pid)

    @contextmanager
    def holding(self) -> Iterator[Callable[[], None]]:
        """While the block runs, the worker is held after its claim; call what it gives to wait for that."""
        with self._proxy.fault("POST", r"/flow_runs/[^/]+/set_state", before=self._hold):
            yield self._wait

    def _hold(self) -> None:
        # The claim is its first proposal.
        self._proposals += 1
        if self._proposals > 1:
            self._claimed.set()
            self._go.wait(WAIT_SECONDS)

    def _wait(self) -> None:
        assert self._claimed.wait(WAIT_SECONDS), "the worker never claimed the run"

    def let_go(self) -> None:
        self._go.set()

    def close(self) -> None:
        self.let_go()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(60)
        self._proxy.close()
        self._log.close()


@pytest.fixture
def held_worker(journeys: Journeys, tmp_path: Path) -> Iterator[HeldWorker]:
    stacks_own = psutil.Process(journeys.servers.pids["worker"])
    stacks_own.terminate()
    stacks_own.wait(30)
    worker = HeldWorker(journeys.servers, tmp_path / "worker.log")
    yield worker
    worker.close()
    journeys.servers.restart()


def kill(worker: psutil.Process) -> None:
    worker.kill()
    worker.wait(10)


def stop(worker: psutil.Process) -> None:
    worker.terminate()
    worker.wait(60)


def freeze(worker: psutil.Process) -> None:
    worker.suspend()


ENDS: Mapping[str, Callable[[psutil.Process], None]] = {"killed": kill, "stopped": stop, "frozen": freeze}


@pytest.mark.parametrize("how", [how if how == "frozen" else pytest.param(how, marks=pytest.mark.full) for how in ENDS])
def test_a_run_that_its_worker_claimed_and_never_started_is_taken_up_by_another(
    impatient_api: None,
    second_api: SecondApi,
    journeys: Journeys,
    held_worker: HeldWorker,
    gallery_id: str,
    how: str,
) -> None:
    with held_worker.holding() as wait_for_claim:
        opened = second_api.open_upload(gallery_id, FILES)
        second_api.put(opened, FILES)
        assert second_api.http.post(f"/v1/uploads/{opened['upload_id']}/complete").status_code == 202
        wait_for_claim()
        upload = journeys.upload_of(gallery_id)
        assert journeys.flow_run(upload.flow_run_id)["state"]["type"] == "PENDING"
        ENDS[how](held_worker.process)
        journeys.servers.restart()
        done = second_api.wait_for(upload.upload_id, "completed", "failed", "crashed")
    assert (done["state"], done["counts"]["saved"]) == ("completed", len(FILES))
    assert done["flow_run_id"] != str(upload.flow_run_id)
    alert = second_api.application.alert(type="alert.run_stuck", upload_id=upload.upload_id).verified()
    assert "a worker has claimed it, and its process has not started" in alert["message"]
    former = journeys.flow_run(upload.flow_run_id)["state"]
    assert (former["type"], former["message"].split("; ")[1]) == (
        "CANCELLED",
        f"run {done['flow_run_id']} takes over",
    )
    before = journeys.current(gallery_id), journeys.library(gallery_id)
    if how == "frozen":
        held_worker.process.resume()
        held_worker.let_go()
        # It starts the process of the run that it had claimed: there is nothing left to do.
        journeys.wait_for_end(upload.flow_run_id, after=0)
        assert second_api.wait_for(upload.upload_id, "completed")["counts"]["saved"] == len(FILES)
    assert (journeys.current(gallery_id), journeys.library(gallery_id)) == before
    assert set(before[0]) == set(FILES)
    # Nobody has started any of it in Prefect.
    assert {run["trigger"] for run in journeys.history("run_history", upload.upload_id, "attempt")} == {"api"}
    assert before[1] == frozenset().union(*(version.keys for version in before[0].values()))
    assert journeys.due(gallery_id) == []
