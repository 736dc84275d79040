"""A run that is killed in its middle, and what its retry then does."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.conftest import PROJECT
from tests.e2e.processes import flow_process
from tests.journeys import Journeys, photo, wait_until


def worker_has_let_go(journeys: Journeys, flow_run_id: str | None) -> bool | None:
    """Whether Prefect is through with a crash: the runner reports it, and seconds later the worker once more, which
    would end a retry that began in between.
    """
    log = (journeys.servers.home / "logs" / "worker.log").read_text(errors="replace")
    _, _, after = log.partition(f"Reported flow run '{flow_run_id}' as crashed")
    return "prefect.flow_runs.worker - Check whether the flow run exceeded" in after or None


def test_a_run_killed_between_put_and_save_is_finished_by_its_retry(journeys: Journeys, gallery_id: str) -> None:
    files = {f"IMG_{n}.jpg": photo(n) for n in range(6)}
    killed: list[psutil.Process] = []

    def kill() -> None:
        if not killed:
            process = flow_process(journeys, gallery_id)
            killed.extend([process, *process.children(recursive=True)])
            process.kill()

    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/4/[0-9]+/original", before=kill):
        result = journeys.send(gallery_id, files)
    assert result.state == "crashed"
    assert journeys.ended(result.flow_run_id)["state"]["type"] == "CRASHED"
    wait_until(lambda: worker_has_let_go(journeys, result.flow_run_id), "the worker's own report of the crash")
    gone, alive = psutil.wait_procs(killed, timeout=30)
    assert alive == [], "the decoders end with the run"
    assert len(gone) >= 2

    run = journeys.retry(result.flow_run_id)
    assert run["state"]["message"].endswith("6 of 6 saved")
    crashed, finished = journeys.history("run_history", result.upload_id, "attempt")
    assert (crashed["state"], finished["state"]) == ("crashed", "completed")
    assert crashed["finished_at"] is not None
    assert crashed["saved"] + finished["saved"] == 6, "what was saved before the crash is in its attempt"
    cached = [row["process_cached"] for row in journeys.history("image_history", result.upload_id, "1")]
    assert any(cached), "what the crashed attempt had rendered came from the cache"
    versions = journeys.current(gallery_id)
    assert set(versions) == set(files)
    needed = frozenset().union(*(version.keys for version in versions.values()))
    assert needed <= journeys.library(gallery_id)
    # The copies that the killed run was about to commit, under its own claims: they are the sweep's.
    assert all("/original" in key for key in journeys.library(gallery_id) - needed)
    assert journeys.due(gallery_id) == []


def test_a_frozen_run_that_thaws_after_its_retry_has_ended_changes_nothing(journeys: Journeys, gallery_id: str) -> None:
    files = {f"IMG_{n}.jpg": photo(n) for n in range(6)}
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        if not frozen:
            process = flow_process(journeys, gallery_id)
            process.suspend()
            frozen.append(process)

    with (
        ThreadPoolExecutor(1) as sender,
        journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/4/[0-9]+/original", before=freeze),
    ):
        sent = sender.submit(journeys.send, gallery_id, files)
        wait_until(lambda: frozen or None, "the run to be frozen")
        upload = journeys.upload_of(gallery_id)
        # As the automation does that misses its heartbeats.
        for state in ({"type": "CRASHED"}, {"type": "SCHEDULED", "name": "AwaitingRetry"}, {"type": "PENDING"}):
            path = f"/flow_runs/{upload.flow_run_id}/set_state"
            assert journeys.prefect.post(path, json={"state": state}).json()["status"] == "ACCEPT"
        try:
            # As another machine's worker does; the frozen run's own worker starts no run twice.
            environment = journeys.servers.info.process_environment(journeys.servers.given)
            subprocess.run(
                [sys.executable, "-m", "prefect.engine"],
                cwd=PROJECT,
                env={**environment, "PREFECT__FLOW_RUN_ID": str(upload.flow_run_id)},
                check=True,
                capture_output=True,
            )
            run = journeys.flow_run(upload.flow_run_id)
            assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", "6 of 6 saved")
            before = journeys.current(gallery_id), journeys.library(gallery_id)
        finally:
            frozen[0].resume()
        _, alive = psutil.wait_procs(frozen, timeout=60)
        assert alive == [], "it notices, and ends"
        assert sent.result().state in ("crashed", "completed")
    run = journeys.flow_run(upload.flow_run_id)
    assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", "6 of 6 saved")
    assert journeys.upload(upload.upload_id).state == "completed"
    current, library = before
    assert journeys.current(gallery_id) == current
    # What it was about to write has keys of its own: nothing that is shown was written over, or deleted.
    assert library <= journeys.library(gallery_id)
    shown = frozenset().union(*(version.keys for version in current.values()))
    assert all("/original" in key for key in journeys.library(gallery_id) - shown)
    assert journeys.due(gallery_id) == []
