"""What a gallery goes through, in the words of a test: send files, retry a run, look at rows and objects."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import httpx
import psycopg
from PIL import Image, ImageDraw
from psycopg.rows import dict_row
from sqlalchemy import Engine, select, update

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import EntryRow, ImageRow, OutboxRow, RenditionRow, UploadRow, VersionRow
from gallery.client.api import GalleryClient
from gallery.client.conflicts import FileToSend
from gallery.client.folder import find_photographs
from gallery.client.progress import NoProgress
from gallery.client.types import ReportedStatus
from gallery.client.upload import upload_files
from gallery.storage.s3 import Storage
from tests.conftest import Servers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WAIT_SECONDS = 120
PHOTO_BYTES = 40_000
V = TypeVar("V")


def with_a_hole(picture: bytes) -> bytes:
    """A JPEG that has lost a sector in the middle of its data."""
    at = picture.index(b"\xff\xda") + 4000
    return picture[:at] + bytes(512) + picture[at + 512 :]


def photo(seed: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG whose content depends on `seed`, and whose size in bytes does not (what follows its end is ignored)."""
    picture = Image.new("RGB", size, ((seed * 37) % 256, (seed * 91) % 256, (seed * 53) % 256))
    draw = ImageDraw.Draw(picture)
    for step in range(12):
        draw.ellipse(
            (step * 50, (seed * 13 + step * 29) % size[1], step * 50 + 80, size[1]), fill=(step * 20, seed % 256, 90)
        )
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue().ljust(PHOTO_BYTES, b"\0")


def wait_until(ask: Callable[[], V | None], what: str) -> V:
    """Ask until there is an answer; fails, naming what was waited for, when patience runs out."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.2)  # what answers needs the processors that are waited for
    raise AssertionError(f"waited {WAIT_SECONDS} s in vain for {what}")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@dataclass(frozen=True)
class Version:
    """A current version as the catalogue has it."""

    upload_id: str
    sha256: str
    keys: frozenset[str]
    styles: Mapping[str, tuple[str, int, int]]


class Journeys:
    """The stack as a caller, an operator and an analyst see it."""

    def __init__(self, servers: Servers, engine: Engine, storage: Storage, s3: S3Client, tmp_path: Path) -> None:
        self.servers, self.engine, self.storage, self.s3 = servers, engine, storage, s3
        self._tmp_path = tmp_path
        self._folders = 0
        self.prefect = httpx.Client(base_url=servers.info.prefect_api_url, timeout=30)
        key = {"Authorization": f"Bearer {servers.info.api_key}"}
        self.api = httpx.Client(base_url=servers.info.api_url, headers=key, timeout=30)

    def close(self) -> None:
        self.prefect.close()
        self.api.close()

    def send(self, gallery_id: str, files: Mapping[str, bytes] | Path) -> ReportedStatus:
        """Send a gallery through the API, whatever it has already, and wait for its run."""
        if not isinstance(files, Path):
            self._folders += 1
            files = write_folder(self._tmp_path / f"folder-{self._folders}", files)
        with GalleryClient(self.servers.info.api_url, self.servers.info.api_key) as client:
            to_send = [FileToSend(file) for file in find_photographs(files).files]
            status, _ = upload_files(client, gallery_id, to_send, NoProgress(), WAIT_SECONDS)
        assert status is not None
        return status

    def accept(self, gallery_id: str, files: Mapping[str, bytes]) -> str:
        """Stage files and complete their upload, without waiting for its run; returns the upload's id."""
        declared = [
            {"file_name": name, "size": len(content), "content_type": "image/jpeg"} for name, content in files.items()
        ]
        opened = self.api.post(f"/v1/galleries/{gallery_id}/uploads", json={"files": declared}).json()
        for item in opened["files"]:
            key = f"{gallery_id}/{opened['upload_id']}/{item['file_name']}"
            self.overwrite_staged(key, files[item["file_name"]])
        assert self.api.post(f"/v1/uploads/{opened['upload_id']}/complete").status_code == 202
        upload_id: str = opened["upload_id"]
        return upload_id

    def retry(self, flow_run_id: str | UUID | None) -> dict[str, Any]:
        """Press the UI's Retry button, and wait for the run's next end."""
        before = self.ended(flow_run_id)
        answer = self.prefect.post(
            f"/flow_runs/{flow_run_id}/set_state",
            json={"state": {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}},
        )
        assert answer.json()["status"] == "ACCEPT", answer.json()
        return self.wait_for_end(flow_run_id, after=before["run_count"])

    def ended(self, flow_run_id: str | UUID | None) -> dict[str, Any]:
        """A run at its first end; Prefect knows of it a moment after the catalogue does."""
        return self.wait_for_end(flow_run_id, after=0)

    def deployment(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.prefect.get(f"/deployments/name/{name}/{name}").json()
        return found

    @contextmanager
    def queue_limit(self, name: str, limit: int | None) -> Iterator[None]:
        """For a while, a work queue has this limit, as ops set it in the UI."""
        path = f"/work_pools/gallery/queues/{name}"
        former = self.prefect.get(path).json()["concurrency_limit"]
        self.prefect.patch(path, json={"concurrency_limit": limit}).raise_for_status()
        try:
            yield
        finally:
            self.prefect.patch(path, json={"concurrency_limit": former}).raise_for_status()

    @contextmanager
    def held(self, gallery_id: str) -> Iterator[Event]:
        """A gallery's run stands still at its first rendition, until the event is set or the block is left."""
        go = Event()

        def wait() -> None:
            go.wait(WAIT_SECONDS)

        with self.servers.s3.fault("PUT", rf"/{self.storage.library_bucket}/{gallery_id}/", before=wait):
            try:
                yield go
            finally:
                go.set()

    def submit(self, deployment: str, **parameters: Any) -> httpx.Response:
        """What the UI's form sends to start a run."""
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        return self.prefect.post(path, json={"parameters": parameters})

    def run_deployment(self, deployment: str = "ingest-gallery", /, **parameters: Any) -> dict[str, Any]:
        """Start a run as the UI's form does, and wait for its end."""
        answer = self.submit(deployment, **parameters)
        assert answer.status_code == 201, answer.text
        return self.wait_for_end(answer.json()["id"], after=0)

    def wait_for_end(self, flow_run_id: str | UUID | None, after: int) -> dict[str, Any]:
        """Wait until a run has ended that has run more than `after` times."""

        def ended() -> dict[str, Any] | None:
            run = self.flow_run(flow_run_id)
            final = run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            return run if final and run["run_count"] > after else None

        return wait_until(ended, f"run {flow_run_id} to end for the {after + 1}. time")

    def flow_run(self, flow_run_id: str | UUID | None) -> dict[str, Any]:
        run: dict[str, Any] = self.prefect.get(f"/flow_runs/{flow_run_id}").json()
        return run

    def task_runs(self, flow_run_id: str | UUID | None, expected: int) -> Counter[tuple[str, str]]:
        """Task runs of a run by (stage, state name), once the server has recorded at least `expected`."""

        def recorded() -> Counter[tuple[str, str]] | None:
            runs = self.prefect.post(
                "/task_runs/filter", json={"flow_runs": {"id": {"any_": [str(flow_run_id)]}}, "limit": 200}
            ).json()
            done = [run for run in runs if run["state"] and run["state"]["type"] in ("COMPLETED", "FAILED")]
            if len(runs) < expected or len(done) < len(runs):
                return None
            return Counter((run["name"].split(" ")[0], run["state_name"]) for run in runs)

        return wait_until(recorded, f"{expected} task runs of {flow_run_id} in the server's records")

    def log(self, flow_run_id: str | UUID | None, *, of_tasks: bool = False) -> list[str]:
        """What an ended run and its task runs (or these alone) have logged, as its page shows it, in order of time."""
        body = {"logs": {"flow_run_id": {"any_": [str(flow_run_id)]}}, "sort": "TIMESTAMP_ASC", "limit": 200}

        def whole() -> list[dict[str, Any]] | None:
            lines: list[dict[str, Any]] = self.prefect.post("/logs/filter", json=body).json()
            return lines if any(line["message"].startswith("Finished in state ") for line in lines) else None

        lines = wait_until(whole, f"the whole log of {flow_run_id}")
        return [line["message"] for line in lines if line["task_run_id"] or not of_tasks]

    def outcomes(self, upload_id: str) -> dict[str, tuple[str | None, str | None]]:
        """(outcome, reason) of every entry, by file name."""
        with transaction(self.engine) as session:
            rows = session.scalars(select(EntryRow).where(EntryRow.upload_id == upload_id))
            return {row.file_name: (row.outcome, row.reason) for row in rows}

    def history(self, view: str, upload_id: str, order: str) -> list[dict[str, Any]]:
        """An upload's rows of a view, as an analyst reads them."""
        with psycopg.connect(self.servers.info.analytics_database_url or "", row_factory=dict_row) as connection:
            return list(connection.execute(f"SELECT * FROM {view} WHERE upload_id = %s ORDER BY {order}", [upload_id]))

    def upload(self, upload_id: str) -> UploadRow:
        with transaction(self.engine) as session:
            return session.scalars(select(UploadRow).where(UploadRow.upload_id == upload_id)).one()

    def set_state(self, upload_id: str, state: str) -> None:
        """Have the catalogue say so; without its run, of which the API would know better."""
        values = {"state": state, "flow_run_id": None}
        with transaction(self.engine) as session:
            session.execute(update(UploadRow).where(UploadRow.upload_id == upload_id).values(values))

    def is_running(self, gallery_id: str) -> bool:
        """Whether an upload of the gallery is running."""
        with transaction(self.engine) as session:
            found = select(UploadRow).where(UploadRow.gallery_id == gallery_id, UploadRow.state == "running")
            return session.scalars(found).first() is not None

    def upload_of(self, gallery_id: str) -> UploadRow:
        """A gallery's only upload."""
        with transaction(self.engine) as session:
            return session.scalars(select(UploadRow).where(UploadRow.gallery_id == gallery_id)).one()

    def current(self, gallery_id: str) -> dict[str, Version]:
        """The current versions of a gallery, by file name."""
        with transaction(self.engine) as session:
            rows = session.execute(
                select(ImageRow.file_name, VersionRow)
                .join(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
                .where(ImageRow.gallery_id == gallery_id)
            )
            return {name: self._version(session, version) for name, version in rows}

    @staticmethod
    def _version(session: Any, version: VersionRow) -> Version:
        renditions = session.scalars(select(RenditionRow).where(RenditionRow.version_id == version.version_id)).all()
        return Version(
            version.upload_id,
            version.sha256,
            frozenset({version.original_key, *(item.key for item in renditions)}),
            {item.style: (item.key, item.width, item.height) for item in renditions},
        )

    def due(self, gallery_id: str) -> list[OutboxRow]:
        """Outbox rows of a gallery that are not done."""
        with transaction(self.engine) as session:
            return list(
                session.scalars(
                    select(OutboxRow)
                    .join(UploadRow, UploadRow.upload_id == OutboxRow.upload_id)
                    .where(UploadRow.gallery_id == gallery_id, OutboxRow.done_at.is_(None))
                )
            )

    def staged(self, gallery_id: str) -> set[str]:
        """Keys of a gallery in the uploads bucket."""
        return self._keys(self.storage.uploads_bucket, gallery_id)

    def library(self, gallery_id: str) -> set[str]:
        """Keys of a gallery in the library bucket."""
        return self._keys(self.storage.library_bucket, gallery_id)

    def _keys(self, bucket: str, gallery_id: str) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{gallery_id}/")
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def read(self, key: str, bucket: str | None = None) -> bytes:
        """An object, of the library by default."""
        answer = self.s3.get_object(Bucket=bucket or self.storage.library_bucket, Key=key)
        return answer["Body"].read()

    def overwrite_staged(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.storage.uploads_bucket, Key=key, Body=content)

    def forget_staged(self, gallery_id: str) -> None:
        """Delete a gallery's staged files, as the bucket does when they expire."""
        for key in self.staged(gallery_id):
            self.s3.delete_object(Bucket=self.storage.uploads_bucket, Key=key)

    def looks_like(self, key: str, content: bytes) -> bool:
        """Whether a rendition shows the picture of `content`: mean colours within 6 of 255, per channel."""
        shown, wanted = (
            Image.open(io.BytesIO(data)).convert("RGB").resize((8, 6), Image.Resampling.BOX)
            for data in (self.read(key), content)
        )
        # The lower right corner may have the watermark.
        pairs = list(zip(shown.crop((0, 0, 8, 4)).tobytes(), wanted.crop((0, 0, 8, 4)).tobytes(), strict=True))
        return all(abs(a - b) <= 6 for a, b in pairs)
