"""Sending a folder to a small API and S3 in this process, over real connections."""

from __future__ import annotations

import io
import os
import threading
import unicodedata
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from rich.console import Console

from gallery.client.api import GalleryClient
from gallery.client.folder import find_photographs
from gallery.client.progress import BarProgress, LineProgress, NoProgress, progress_on
from gallery.client.summary import print_summary
from gallery.client.types import ReportedProblem
from gallery.client.upload import IngestResult, ingest_folder
from gallery.errors import GalleryError, RefusedRequest


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def names_in(folder: Path) -> list[str]:
    return [file.file_name for file in find_photographs(folder).files]


class FrontDoor:
    """Presigns, takes files, and calls every one that arrived `saved`, `.txt` `rejected`, others `failed`."""

    def __init__(self) -> None:
        self.url = ""
        self.signed_times = 0
        self.good_signatures = {"signature-0"}
        self.refused: set[str] = set()
        self.declared: list[dict[str, Any]] = []
        self.arrived: dict[str, bytes] = {}
        self.completed = False
        self.waiting: list[dict[str, Any]] = []
        self.app = FastAPI()
        self.app.post("/v1/galleries/{gallery_id}/uploads", status_code=201)(self.presign)
        self.app.post("/v1/uploads/u1/sign")(self.sign)
        self.app.post("/v1/uploads/u1/complete", status_code=202)(self.complete)
        self.app.get("/v1/uploads/u1")(self.status)
        self.app.post("/s3")(self.store)

    async def presign(self, gallery_id: str, request: Request) -> dict[str, Any]:
        self.declared = (await request.json())["files"]
        return self.requests()

    def sign(self) -> dict[str, Any]:
        self.signed_times += 1
        self.good_signatures = {f"signature-{self.signed_times}"}
        return self.requests()

    def requests(self) -> dict[str, Any]:
        files = [
            {
                "file_name": name,
                "key": name,
                "method": "POST",
                "url": f"{self.url}/s3",
                "fields": {"key": name, "signature": f"signature-{self.signed_times}"},
                "headers": {},
            }
            for file in self.declared
            if (name := file["file_name"]) not in self.arrived
        ]
        return {"upload_id": "u1", "files": files, "expires_at": "2026-11-24T00:00:00Z"}

    async def store(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
        parts = {part.get_param("name", header="Content-Disposition"): part for part in message.iter_parts()}
        form = {name: bytes(part.get_payload(decode=True)) for name, part in parts.items()}
        key = form["key"].decode()
        if form["signature"].decode() not in self.good_signatures or key in self.refused:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)
        self.arrived[key] = form["file"]
        return Response(status_code=204)

    def complete(self) -> dict[str, str]:
        self.completed = True
        return {"upload_id": "u1", "state": "accepted", "status_url": f"{self.url}/v1/uploads/u1"}

    def status(self) -> dict[str, Any]:
        names = [file["file_name"] for file in self.declared]
        missing = [name for name in names if name not in self.arrived]
        rejected = [name for name in names if name in self.arrived and name.endswith(".txt")]
        problems = [(n, "failed", "missing_object") for n in missing]
        problems += [(n, "rejected", "not_an_image") for n in rejected]
        return {
            "upload_id": "u1",
            "gallery_id": "g",
            "state": "failed" if missing else "completed_with_rejects" if rejected else "completed",
            "waiting": None,
            "flow_run_id": "r1",
            "flow_run_url": "http://prefect/runs/r1",
            "image_count": len(names),
            "counts": {"saved": len(names) - len(problems), "rejected": len(rejected), "failed": len(missing)},
            "problems": [
                {"file_name": n, "outcome": o, "stage": "process", "reason": r, "message": f"[{r}]"}
                for n, o, r in problems
            ],
            **({"state": "accepted", "waiting": self.waiting.pop(0), "counts": {}} if self.waiting else {}),
        }


@pytest.fixture
def door() -> Iterator[FrontDoor]:
    door = FrontDoor()
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(door.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    door.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield door
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(door: FrontDoor) -> Iterator[GalleryClient]:
    with GalleryClient(door.url, "key", pause=lambda seconds: None) as client:
        yield client


class Notes(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def test_every_regular_file_is_found_by_its_path_in_order(tmp_path: Path) -> None:
    write(tmp_path, "card2/IMG_1.JPG", "card1/IMG_2.JPG", "card1/IMG_10.JPG", "notes.txt", "a.heic")
    found = find_photographs(tmp_path)
    assert [file.file_name for file in found.files] == [
        "a.heic",
        "card1/IMG_10.JPG",
        "card1/IMG_2.JPG",
        "card2/IMG_1.JPG",
        "notes.txt",
    ]
    assert [file.content_type for file in found.files][::4] == ["image/heic", "text/plain"]
    assert found.files[0].size == 6
    assert found.notes == ()


def test_hidden_files_and_litter_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", ".DS_Store", "._a.jpg", "x/Thumbs.db", "__MACOSX/a.jpg", ".git/a.jpg", "Icon\r")
    found = find_photographs(tmp_path)
    assert [file.file_name for file in found.files] == ["a.jpg"]
    (note,) = found.notes
    for name in (".DS_Store", "._a.jpg", "__MACOSX/", ".git/", "1 more"):
        assert name in note
    assert note.isprintable()


def test_links_are_followed_to_files_inside_only(tmp_path: Path) -> None:
    write(tmp_path, "in/a.jpg", "out/secret.jpg")
    (tmp_path / "in" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "out" / "secret.jpg")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(".")
    (tmp_path / "in" / "self.jpg").symlink_to("self.jpg")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    found = find_photographs(tmp_path / "in")
    assert [file.file_name for file in found.files] == ["a.jpg", "b.jpg"]
    assert "; ".join(found.notes) == (
        "skipped, broken link: self.jpg; skipped, link to outside the folder: c.jpg; "
        "skipped, linked folder: loop/, out/; skipped, not a regular file: pipe.jpg"
    )


def test_names_are_sent_in_nfc_and_two_that_become_one_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, unicodedata.normalize("NFD", "Zoë.jpg"))
    assert names_in(tmp_path) == [unicodedata.normalize("NFC", "Zoë.jpg")]
    write(tmp_path, unicodedata.normalize("NFC", "Zoë.jpg"))
    with pytest.raises(RefusedRequest) as refused:
        find_photographs(tmp_path)
    assert refused.value.code == "duplicate_file_name"
    assert r"'Zoe\u0308.jpg'" in str(refused.value)
    assert r"'Zo\xeb.jpg'" in str(refused.value)


@pytest.mark.parametrize("name", ["a\\b.jpg", "a\nb.jpg", "${filename}.jpg", "\udcff.jpg"])
def test_a_name_that_breaks_a_rule_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RefusedRequest, match="file_name"):
        find_photographs(tmp_path)


def test_a_folder_with_nothing_to_send_is_a_clear_error(tmp_path: Path) -> None:
    write(tmp_path, ".DS_Store", "file.jpg/a")
    (tmp_path / "file.jpg" / "a").unlink()
    with pytest.raises(GalleryError, match=r"has no files to send; skipped, hidden or system: \.DS_Store"):
        find_photographs(tmp_path)
    with pytest.raises(GalleryError, match="is not there"):
        find_photographs(tmp_path / "nowhere")
    with pytest.raises(GalleryError, match="is not a folder"):
        find_photographs(tmp_path / ".DS_Store")


def test_a_folder_is_sent_completed_and_followed_to_its_end(
    door: FrontDoor, client: GalleryClient, tmp_path: Path
) -> None:
    names = [f"card1/IMG_{number:04d}.JPG" for number in range(40)]
    write(tmp_path, *names)
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert door.arrived == {name: name.encode() for name in names}
    assert door.completed
    assert (result.ok, result.exit_status, result.state) == (True, 0, "completed")
    assert result.counts["saved"] == result.image_count == 40
    assert result.images_per_second == pytest.approx(40 / result.duration_seconds)


def test_what_is_no_image_is_sent_too_and_its_rejection_is_the_exit_status(
    door: FrontDoor, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "notes.txt")
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert result.exit_status == 1
    answer = result.to_json()
    assert list(answer) == [
        "gallery_id",
        "upload_id",
        "flow_run_id",
        "flow_run_url",
        "state",
        "image_count",
        "counts",
        "duration_seconds",
        "images_per_second",
        "problems",
    ]
    assert answer["counts"] == {
        "saved": 1,
        "replaced": 0,
        "unchanged": 0,
        "superseded": 0,
        "rejected": 1,
        "failed": 0,
    }
    assert answer["problems"][0]["reason"] == "not_an_image"


def test_expired_signatures_are_renewed_once_for_all(door: FrontDoor, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, *(f"{number}.jpg" for number in range(20)))
    door.good_signatures = set()
    assert ingest_folder(client, tmp_path, "g", NoProgress()).ok
    assert door.signed_times == 1


def test_a_file_that_s3_refuses_holds_up_no_other(door: FrontDoor, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    door.refused = {"b.jpg"}
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes)
    assert notes.lines == ["not sent: b.jpg: S3 answered 403 AccessDenied"]
    assert (result.counts["saved"], result.counts["failed"], result.exit_status) == (2, 1, 1)


def test_where_nothing_is_taken_the_upload_is_not_completed(
    door: FrontDoor, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    door.refused = {"a.jpg", "b.jpg"}
    with pytest.raises(GalleryError, match="AccessDenied"):
        ingest_folder(client, tmp_path, "g", Notes())
    assert not door.completed


def result_with(counts: dict[str, int], *problems: ReportedProblem) -> IngestResult:
    return IngestResult(
        gallery_id="summer-wedding",
        upload_id="u1",
        flow_run_id="r1",
        flow_run_url="http://127.0.0.1:4200/runs/flow-run/0123456789abcdef0123456789abcdef",
        state="completed_with_rejects",
        image_count=1361,
        counts=counts,
        duration_seconds=120.0,
        problems=problems,
    )


@pytest.mark.parametrize(
    ("counts", "ok"),
    [
        ({"saved": 1000, "replaced": 300, "unchanged": 61}, True),
        ({"saved": 1360, "rejected": 1}, False),
        ({"saved": 1360, "superseded": 1}, False),
        ({"saved": 1360, "pending": 1}, False),
        ({}, False),
    ],
)
def test_only_a_gallery_that_shows_every_image_is_ok(counts: dict[str, int], ok: bool) -> None:
    assert result_with(counts).ok is ok


def test_the_summary_says_what_happened_how_fast_and_where_to_look() -> None:
    problem = ReportedProblem("card1/[red]x.JPG", "rejected", "process", "truncated", "ends early")
    out = io.StringIO()
    print_summary(result_with({"saved": 1358, "rejected": 3}, problem), Console(file=out, width=60))
    text = out.getvalue()
    for words in ("1,358 of 1,361", "11.3 images/s", "[red]x.JPG", "truncated", "ends early", "and 2 more"):
        assert words in " ".join(text.split())
    assert "http://127.0.0.1:4200/runs/flow-run/0123456789abcdef0123456789abcdef" in text


def test_lines_tell_each_tenth_once() -> None:
    out = io.StringIO()
    with progress_on(out) as progress:
        assert isinstance(progress, LineProgress)
        progress.step("ingesting", 1361, "images")
        for done in range(1362):
            progress.advance(done, f"{done} saved")
    lines = out.getvalue().splitlines()
    assert lines[0] == "ingesting: 1,361 images"
    assert lines[-1] == "ingesting: 100 %, 1361 saved"
    assert len(lines) == 12
    assert isinstance(progress_on(out, quiet=True), NoProgress)


def test_an_upload_that_waits_says_what_for_whenever_that_changes(
    door: FrontDoor, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg")
    waits = [("place", 2), ("place", 2), ("place", 1), ("paused", 0), ("worker", 0), ("prefect", 0), ("start", 0)]
    door.waiting = [{"for": waits_for, "uploads_before": before} for waits_for, before in waits]
    out = io.StringIO()
    assert ingest_folder(client, tmp_path, "g", LineProgress(out)).state == "completed"
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


def test_bars_show_each_step_with_its_amounts() -> None:
    out = io.StringIO()
    with BarProgress(Console(file=out, force_terminal=True, width=120)) as progress:
        progress.step("sending", 2_500_000_000, "bytes")
        progress.advance(2_500_000_000, "3 of 3 files")
        progress.step("ingesting", 3, "images")
        progress.advance(3, "3 saved")
        progress.note("[a note]")
    assert "2.50 GB of 2.50 GB" in out.getvalue()
    assert "3 of 3 images" in out.getvalue()
    assert "[a note]" in out.getvalue()
