"""Each part of the stack killed in the middle of a run: what comes back by itself, and that nothing is lost by it.

Runs whose worker is killed come first and are looked at last: Prefect needs 90 seconds to miss them, and in these the
other parts are killed, too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import Engine, func, select

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import ImageRow, UploadRow, VersionRow
from gallery.client.types import ReportedStatus
from gallery.errors import GalleryError
from gallery.local.definition import PartName
from gallery.runs import INGEST_QUEUE
from gallery.storage.s3 import Storage
from tests.conftest import Servers, runs_have
from tests.e2e.processes import flow_process
from tests.journeys import WAIT_SECONDS, Journeys, photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILES = {f"IMG_{number}.jpg": photo(number) for number in range(14)}
# Long enough for a part to be started again; the other tests have no time for that.
VICTIMS = ("worker and run", "worker")
PATIENT = {"GALLERY_RETRIES": "8", "GALLERY_RETRY_DELAY_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def patient_runs(servers: Servers) -> Iterator[None]:
    """Runs wait for parts that are away."""
    with runs_have(servers, env=PATIENT):
        yield


class Sender:
    """Sends a gallery, and calls `kill` once, in the middle of its run."""

    def __init__(self, journeys: Journeys, gallery_id: str, kill: Callable[[], None]) -> None:
        self.journeys, self.gallery_id = journeys, gallery_id
        self._kill, self._killed, self._lock = kill, threading.Event(), threading.Lock()
        self._result: list[ReportedStatus | GalleryError] = []
        self._thread = threading.Thread(target=self._send, daemon=True)

    def begin(self) -> Callable[[], ReportedStatus]:
        """Return once `kill` has been called: with a way to wait for what becomes of the upload."""
        fault = self.journeys.servers.s3.fault("PUT", rf"/{self.gallery_id}/[^/]+/5/[0-9]+/thumb", before=self._once)
        with fault:
            self._thread.start()
            assert self._killed.wait(60), "the run never came to its middle"
        return self._wait

    def _once(self) -> None:
        with self._lock:
            if not self._killed.is_set():
                self._kill()
                self._killed.set()

    def _send(self) -> None:
        try:
            self._result.append(self.journeys.send(self.gallery_id, FILES))
        except GalleryError as error:
            # Of the silent run nobody waits for the client, whose patience ends before Prefect's.
            self._result.append(error)

    def _wait(self) -> ReportedStatus:
        self._thread.join(WAIT_SECONDS + 30)
        assert self._result, "the client neither came to an end nor gave up"
        result = self._result[0]
        if isinstance(result, GalleryError):
            raise result
        return result


@dataclass(frozen=True)
class Silent:
    """A run whose end nobody could report: its worker was killed. Another worker has taken that one's place."""

    journeys: Journeys
    gallery_id: str
    upload: UploadRow


@pytest.fixture(scope="module")
def silent(
    patient_runs: None,
    servers: Servers,
    engine: Engine,
    storage: Storage,
    s3: S3Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Silent]]:
    """By what was killed."""
    journeys = Journeys(servers, engine, storage, s3, tmp_path_factory.mktemp("silent"))

    def silence(victims: str) -> Silent:
        gallery_id = f"silent-{uuid4().hex[:8]}"

        def kill() -> None:
            worker, run = psutil.Process(servers.pids["worker"]), flow_process(journeys, gallery_id)
            processes = [worker, run] if victims == "worker and run" else [worker]
            # It hangs: else it might still come to its end, or report it when the stack ends it.
            run.suspend()
            for process in processes:
                process.kill()
            psutil.wait_procs(processes, timeout=10)

        Sender(journeys, gallery_id, kill).begin()
        # Before the stack starts another worker, it ends what the one before has left running.
        servers.restart()
        return Silent(journeys, gallery_id, journeys.upload_of(gallery_id))

    # Prefect takes the silent runs for running, and they keep their places in the queue until it misses them.
    with journeys.queue_limit(INGEST_QUEUE, len(VICTIMS) + 2):
        yield {victims: silence(victims) for victims in VICTIMS}
    journeys.close()


def assert_nothing_is_lost(journeys: Journeys, gallery_id: str, upload_id: str) -> None:
    """One outcome an entry, one current version an image, and every object there."""
    assert Counter(outcome for outcome, _ in journeys.outcomes(upload_id).values()) == {"saved": len(FILES)}
    versions = journeys.current(gallery_id)
    assert set(versions) == set(FILES)
    with transaction(journeys.engine) as session:
        standing = session.execute(
            select(VersionRow.image_id, func.count())
            .join(ImageRow, ImageRow.image_id == VersionRow.image_id)
            .where(ImageRow.gallery_id == gallery_id, VersionRow.superseded_at.is_(None))
            .group_by(VersionRow.image_id)
        ).all()
    assert [count for _, count in standing] == [1] * len(FILES)
    # What a killed process has written besides, under its own claims, is left to the sweep.
    assert journeys.library(gallery_id) >= frozenset().union(*(version.keys for version in versions.values()))
    assert journeys.due(gallery_id) == []
    assert list((journeys.servers.home / "scratch").glob(f"{upload_id}*")) == []
    for name, content in FILES.items():
        assert journeys.looks_like(versions[name].styles["medium"][0], content), name


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_run_is_left_for_others_to_find_when_its_worker_is_killed(silent: Mapping[str, Silent], victims: str) -> None:
    assert silent[victims].journeys.upload(silent[victims].upload.upload_id).state == "running"


@pytest.mark.parametrize("part", ["prefect_server", "postgres", "s3"])
def test_a_run_outlives_the_part(
    silent: Mapping[str, Silent], journeys: Journeys, gallery_id: str, part: PartName
) -> None:
    def kill() -> None:
        process = psutil.Process(journeys.servers.pids[part])
        process.kill()
        process.wait(10)

    wait_for_result = Sender(journeys, gallery_id, kill).begin()
    journeys.servers.restart()
    result = wait_for_result()
    assert result.state == "completed"
    run = journeys.ended(result.flow_run_id)
    assert (run["state"]["type"], run["run_count"]) == ("COMPLETED", 1)
    assert_nothing_is_lost(journeys, gallery_id, result.upload_id)


def test_a_killed_run_is_retried_once_by_itself(
    silent: Mapping[str, Silent], journeys: Journeys, gallery_id: str
) -> None:
    def kill() -> None:
        process = flow_process(journeys, gallery_id)
        process.kill()
        psutil.wait_procs([process], timeout=10)

    result = Sender(journeys, gallery_id, kill).begin()()
    assert result.state == "crashed"
    run = journeys.wait_for_end(result.flow_run_id, after=1)
    assert (run["state"]["type"], run["run_count"]) == ("COMPLETED", 2)
    assert_nothing_is_lost(journeys, gallery_id, result.upload_id)


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_silent_run_is_missed_and_retried_once(silent: Mapping[str, Silent], victims: str) -> None:
    journeys, upload = silent[victims].journeys, silent[victims].upload
    run = journeys.wait_for_end(upload.flow_run_id, after=1)
    assert (run["state"]["type"], run["run_count"]) == ("COMPLETED", 2)
    states = journeys.prefect.get("/flow_run_states/", params={"flow_run_id": str(upload.flow_run_id)}).json()
    assert "No sign of life from the run for 90 seconds" in {state["message"] for state in states}
    assert_nothing_is_lost(journeys, silent[victims].gallery_id, upload.upload_id)


def test_no_place_of_the_queue_is_lost_by_any_of_this(
    silent: Mapping[str, Silent], journeys: Journeys, gallery_id: str
) -> None:
    with journeys.queue_limit(INGEST_QUEUE, 1):
        assert journeys.send(gallery_id, {"a.jpg": photo(1)}).state == "completed"
