"""Cancel, from the Prefect UI and from the API: the run's processes end, and a retry does what is left."""

from __future__ import annotations

import json
import threading
from collections import Counter

import psutil
import pytest

from tests.command import gallery
from tests.e2e.processes import flow_process
from tests.journeys import Journeys, photo, wait_until


@pytest.mark.parametrize("through", ["the UI", "the API"])
def test_a_cancelled_run_stops_keeps_what_is_saved_and_a_retry_does_the_rest(
    journeys: Journeys, gallery_id: str, through: str
) -> None:
    files = {f"IMG_{number:02}.jpg": photo(number) for number in range(30)}
    processes: list[psutil.Process] = []

    lock = threading.Lock()

    def cancel() -> None:
        with lock:
            if not processes:
                cancel_once()

    def cancel_once() -> None:
        run = flow_process(journeys, gallery_id)
        processes.extend([run, *run.children(recursive=True)])
        upload = journeys.upload_of(gallery_id)
        # The first window of eight is through.
        wait_until(lambda: len(journeys.current(gallery_id)) == 8 or None, "the first window to be saved")
        if through == "the UI":
            body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
            answer = journeys.prefect.post(f"/flow_runs/{upload.flow_run_id}/set_state", json=body)
            assert answer.json()["status"] == "ACCEPT"
        else:
            assert journeys.api.post(f"/v1/uploads/{upload.upload_id}/cancel").status_code == 202

    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1[0-9]/[0-9]+/thumb", before=cancel):
        result = journeys.send(gallery_id, files)
    assert result.state == "cancelled"
    run = journeys.ended(result.flow_run_id)
    assert run["state"]["type"] == "CANCELLED"
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []
    outcomes = Counter(outcome for outcome, _ in journeys.outcomes(result.upload_id).values())
    assert (outcomes["saved"], outcomes[None]) == (8, 22)
    assert len(journeys.current(gallery_id)) == 8
    assert list((journeys.servers.home / "scratch").glob(f"{result.upload_id}*")) == []

    again = gallery("retry", result.upload_id, "--json", home=journeys.servers.home)
    assert (again.returncode, json.loads(again.stdout)["counts"]["saved"]) == (0, 30), again.stderr
    assert journeys.ended(result.flow_run_id)["run_count"] == 2
    versions = journeys.current(gallery_id)
    assert journeys.library(gallery_id) >= frozenset().union(*(version.keys for version in versions.values()))
