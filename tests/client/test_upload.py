"""Sending files: signatures that expire, and files that S3 or the API refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gallery.client.api import GalleryClient
from gallery.client.conflicts import FileToSend
from gallery.client.folder import find_photographs
from gallery.client.progress import JobProgress, LineProgress, NoProgress
from gallery.client.types import ReportedProblem, ReportedStatus
from gallery.client.upload import upload_files
from gallery.errors import GalleryError, RefusedRequest
from tests.client.conftest import Notes, write
from tests.client.fake_api import FakeApi


def upload(
    client: GalleryClient, folder: Path, progress: JobProgress
) -> tuple[ReportedStatus | None, tuple[ReportedProblem, ...]]:
    files = [FileToSend(file) for file in find_photographs(folder).files]
    return upload_files(client, "g", files, progress)


def test_all_files_are_sent_completed_and_followed_to_their_end(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    names = [f"card1/IMG_{number:04d}.JPG" for number in range(40)]
    write(tmp_path, *names)
    status, refused = upload(client, tmp_path, NoProgress())
    assert api.arrived == {name: name.encode() for name in names}
    assert api.completed
    assert status is not None
    assert (status.state, status.counts["saved"], refused) == ("completed", 40, ())


def test_expired_signatures_are_renewed_once_for_all(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, *(f"{number}.jpg" for number in range(20)))
    api.good_signatures = set()
    status, _ = upload(client, tmp_path, NoProgress())
    assert status is not None
    assert status.counts["saved"] == 20
    assert api.signed_times == 1


def test_a_file_that_s3_refuses_holds_up_no_other(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    api.refused = {"b.jpg"}
    notes = Notes()
    status, _ = upload(client, tmp_path, notes)
    assert notes.lines == ["not sent: b.jpg: S3 answered 403 AccessDenied"]
    assert status is not None
    assert (status.counts["saved"], status.counts["failed"]) == (2, 1)
    # The run says only that it is missing, which sounds as if another try would help.
    (problem,) = status.problems
    assert (problem.reason, problem.message) == ("missing_object", "not sent: b.jpg: S3 answered 403 AccessDenied")


def test_where_nothing_is_taken_the_upload_is_not_completed(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    api.refused = {"a.jpg", "b.jpg"}
    with pytest.raises(GalleryError, match="AccessDenied"):
        upload(client, tmp_path, Notes())
    assert not api.completed


def test_files_that_the_api_refuses_are_left_out_in_one_step(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    api.faults = [{"b.jpg": "file_too_large", "d.jpg": "unsupported_type"}]
    status, refused = upload(client, tmp_path, NoProgress())
    assert status is not None
    assert (status.state, set(api.images)) == ("completed", {"a.jpg", "c.jpg"})
    assert refused == (
        ReportedProblem("b.jpg", "rejected", "download", "file_too_large", "file_too_large of b.jpg"),
        ReportedProblem("d.jpg", "rejected", "download", "unsupported_type", "unsupported_type of d.jpg"),
    )
    first, second = api.idempotency_keys
    assert first != second, "with the same key the API would compare the two requests"


def test_where_the_api_refuses_all_files_no_upload_is_opened(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg")
    api.faults = [{"a.jpg": "file_too_large"}]
    status, refused = upload(client, tmp_path, NoProgress())
    assert status is None
    assert [problem.reason for problem in refused] == ["file_too_large"]
    assert len(api.idempotency_keys) == 1


def test_a_second_refusal_is_an_error(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    api.faults = [{"a.jpg": "file_too_large"}, {"b.jpg": "file_too_large"}]
    with pytest.raises(RefusedRequest, match=r"file_too_large of b\.jpg"):
        upload(client, tmp_path, NoProgress())
    assert not api.completed


def test_an_upload_that_waits_says_what_for_whenever_that_changes(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg")
    waits = [("place", 2), ("place", 2), ("place", 1), ("paused", 0), ("worker", 0), ("prefect", 0), ("start", 0)]
    api.waiting = [{"for": waits_for, "uploads_before": before} for waits_for, before in waits]
    out = io.StringIO()
    upload(client, tmp_path, LineProgress(out))
    lines = out.getvalue().splitlines()
    assert lines[lines.index("ingesting: 1 image") + 1 :] == [
        "ingesting: 0 %, waiting for a place in the queue, 2 uploads before it",
        "ingesting: 0 %, waiting for a place in the queue, 1 upload before it",
        "ingesting: 0 %, waiting: the work pool, its queue or the run is paused in Prefect",
        "ingesting: 0 %, waiting for a worker: none is responding",
        "ingesting: 0 %, waiting for Prefect's server",
        "ingesting: 0 %, about to start",
        "ingesting: 100 %, 1 saved",
    ]


def test_whoever_stops_watching_is_told_that_the_upload_goes_on(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    class Impatient(Notes):
        def advance(self, done: int, detail: str = "") -> None:
            if api.completed:
                raise KeyboardInterrupt

    write(tmp_path, "a.jpg")
    notes = Impatient()
    with pytest.raises(KeyboardInterrupt):
        upload(client, tmp_path, notes)
    assert notes.lines[-1].endswith(f"goes on without this command: see {client.api_url}/v1/uploads/u1")
