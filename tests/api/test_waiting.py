"""An upload that waits says what for, through the whole stack; the reasons one by one are in `catalogue/`."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gallery.client.api import GalleryClient
from gallery.client.ingest import ingest_folder
from gallery.client.progress import LineProgress
from gallery.runs import INGEST_QUEUE
from tests.api.conftest import Api
from tests.journeys import WAIT_SECONDS, Journeys, photo, wait_until, write_folder


def accepted(api: Api, gallery_id: str) -> str:
    """An upload of one photograph, sent and complete."""
    opened = api.opened(gallery_id, {"a.jpg": photo(1)})
    assert api.send_file(opened["files"][0], photo(1)).is_success
    assert api.complete(opened["upload_id"]).status_code == 202
    return str(opened["upload_id"])


def wait_for(api: Api, upload_id: str, what: str, **wanted: Any) -> dict[str, Any]:
    """The upload's status, once it has these values."""

    def found() -> dict[str, Any] | None:
        status: dict[str, Any] = api.status(upload_id).json()
        return status if wanted.items() <= {**status, **(status["waiting"] or {})}.items() else None

    return wait_until(found, f"{upload_id} to be {what}")


def test_uploads_in_a_full_queue_say_how_many_are_before_them(
    api: Api, journeys: Journeys, gallery_id: str, tmp_path: Path
) -> None:
    out = io.StringIO()
    folder = write_folder(tmp_path / "folder", {"a.jpg": photo(1)})

    def ingest() -> str:
        with GalleryClient(journeys.servers.info.api_url, journeys.servers.info.api_key) as client:
            return ingest_folder(client, folder, f"{gallery_id}-third", LineProgress(out), timeout=WAIT_SECONDS).state

    with (
        ThreadPoolExecutor(1) as client,
        journeys.queue_limit(INGEST_QUEUE, 1),
        journeys.held(f"{gallery_id}-first"),
    ):
        first = accepted(api, f"{gallery_id}-first")
        assert wait_for(api, first, "running", state="running")["waiting"] is None
        second = accepted(api, f"{gallery_id}-second")
        # The API learns within seconds that the queue is full.
        before = wait_for(api, second, "in the queue", **{"for": "place"})["waiting"]["uploads_before"]
        assert before >= 1
        third = client.submit(ingest)
        told = f"waiting for a place in the queue, {before + 1} uploads before it"
        wait_until(lambda: told in out.getvalue() or None, "the client to tell it")
        third_id = journeys.upload_of(f"{gallery_id}-third").upload_id
        assert api.status(third_id).json()["waiting"] == {"for": "place", "uploads_before": before + 1}
    assert third.result() == "completed"
    for upload_id in (first, second, third_id):
        assert wait_for(api, upload_id, "completed", state="completed")["waiting"] is None


@pytest.mark.parametrize("path", ["/work_pools/gallery", "/work_pools/gallery/queues/default"], ids=["pool", "queue"])
def test_while_the_pool_or_its_queue_is_paused_uploads_say_so(
    api: Api, journeys: Journeys, gallery_id: str, path: str
) -> None:
    journeys.prefect.patch(path, json={"is_paused": True}).raise_for_status()
    try:
        upload_id = accepted(api, gallery_id)
        assert wait_for(api, upload_id, "paused", **{"for": "paused"})["state"] == "accepted"
        ready = api.http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "paused", "missing": []})
    finally:
        journeys.prefect.patch(path, json={"is_paused": False}).raise_for_status()
    assert wait_for(api, upload_id, "completed", state="completed")["waiting"] is None
