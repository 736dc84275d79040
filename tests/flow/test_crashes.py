"""A run that is killed in its middle, and what its retry then does."""

from __future__ import annotations

import psutil

from tests.flow.processes import flow_process
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

    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/4/original", before=kill):
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
    assert journeys.library(gallery_id) == frozenset().union(*(version.keys for version in versions.values()))
    assert journeys.due(gallery_id) == []


def test_a_forced_run_redoes_everything_and_its_retry_only_what_is_left(journeys: Journeys, gallery_id: str) -> None:
    first = journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3)})
    before = journeys.current(gallery_id)
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/2/thumb", status=503):
        run = journeys.run_deployment(gallery_id=gallery_id, force=True)
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"].endswith("1 could not be redone and stay as they were: storage_unavailable")
    assert run["name"] == f"{gallery_id} · 3 images"

    run = journeys.retry(run["id"])
    assert run["state"]["message"] == "3 of 3 replaced"
    # Not the two again: their staged files were deleted as those of replacements are.
    assert journeys.task_runs(run["id"], 10 + 4)["process", "Completed"] == 3
    # The same entry writes the same keys: they stay.
    assert {name: version.keys for name, version in journeys.current(gallery_id).items()} == {
        name: version.keys for name, version in before.items()
    }
    assert frozenset().union(*(version.keys for version in before.values())) == journeys.library(gallery_id)
    assert journeys.upload(first.upload_id).attempt == 3


def test_names_that_storage_and_signatures_find_hard_come_through(journeys: Journeys, gallery_id: str) -> None:
    names = [
        "with space.jpg", "plus+plus.jpg", "100%.jpg", "%41.jpg", "hash#1.jpg", "q?x=1&y.jpg", "quote'\".jpg",
        "ümläut.jpg", "日本/写真.jpg", "emoji🎉.jpg", "a=b;c,d.jpg", "<tag>&amp;.jpg", "~^`|{}[].jpg", "$dollar.jpg",
        "x" * 251 + ".jpg", "UPPER.JPG", "upper.jpg", "trailing ", " leading.jpg", "no_extension",
    ]  # fmt: skip
    result = journeys.send(gallery_id, {name: photo(number) for number, name in enumerate(names)})
    assert result.counts["saved"] == len(names)
    versions = journeys.current(gallery_id)
    assert set(versions) == set(names)
    for number, name in enumerate(names):
        assert journeys.looks_like(versions[name].styles["thumb"][0], photo(number)), name
