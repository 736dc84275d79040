"""Sends a folder through the API, as a browser would, and follows what becomes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from gallery.client.api import GalleryClient
from gallery.client.errors import SendRefusedError, UnreachableError
from gallery.client.folder import FoundPhotographs, LocalFile, find_photographs
from gallery.client.progress import JobProgress
from gallery.client.types import DeclaredFile, PresignedRequest, PresignedUpload, ReportedProblem, ReportedStatus
from gallery.errors import GalleryError
from gallery.models import GOOD_OUTCOMES, OUTCOMES, UploadState
from gallery.names import check_gallery_id, check_upload_id

# As many as a browser's upload page keeps open.
SENDERS = 8


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of one upload.

    `duration_seconds` is the wall time from the first call (presign) to the status with the final state:
    sending, waiting in the queue and processing together; looking through the folder is not in it.
    `counts` has every outcome, and `pending` where a run ended early; `problems` are the first 100.
    """

    gallery_id: str
    upload_id: str
    flow_run_id: str | None
    flow_run_url: str | None
    state: UploadState
    image_count: int
    counts: Mapping[str, int]
    duration_seconds: float
    problems: tuple[ReportedProblem, ...]

    @property
    def images_per_second(self) -> float:
        """All entries of the upload, whatever became of them, by `duration_seconds`."""
        return self.image_count / self.duration_seconds if self.duration_seconds > 0 else 0.0

    @property
    def ok(self) -> bool:
        """True only where every image is saved, replaced or unchanged."""
        return self.image_count > 0 and self.good_count == self.image_count

    @property
    def good_count(self) -> int:
        """How many images the gallery now shows with the content that was sent."""
        return sum(self.counts.get(outcome, 0) for outcome in GOOD_OUTCOMES)

    @property
    def exit_status(self) -> int:
        """Exit status of a command that ingests: 0 only where `ok`."""
        return 0 if self.ok else 1

    def to_json(self) -> dict[str, Any]:
        """The stable object that `--json` prints."""
        return {
            "gallery_id": self.gallery_id,
            "upload_id": self.upload_id,
            "flow_run_id": self.flow_run_id,
            "flow_run_url": self.flow_run_url,
            "state": self.state,
            "image_count": self.image_count,
            "counts": dict(self.counts),
            "duration_seconds": round(self.duration_seconds, 3),
            "images_per_second": round(self.images_per_second, 3),
            "problems": [asdict(problem) for problem in self.problems],
        }


def ingest_folder(
    client: GalleryClient,
    folder: Path,
    gallery_id: str,
    progress: JobProgress,
    *,
    timeout: float | None = None,
) -> IngestResult:
    """Upload every file of `folder` to `gallery_id`, start its run and wait for the end of it.

    A file that cannot be sent holds up no other: it is noted, and the run reports it as `failed`.
    `timeout`: seconds to wait for the run. Raises `GalleryError` where nothing could be sent or the API
    refuses; see `find_photographs` and `GalleryClient`.
    """
    check_gallery_id(gallery_id)
    found = find_photographs(folder)
    for note in found.notes:
        progress.note(note)
    began = time.monotonic()
    declared = [DeclaredFile(file.file_name, file.size, file.content_type) for file in found.files]
    presigned = client.presign(gallery_id, declared, idempotency_key=str(uuid.uuid4()))
    _send_all(client, presigned, found, progress)
    client.complete(presigned.upload_id)
    status = _follow(client, presigned.upload_id, len(declared), progress, timeout)
    return _result(status, time.monotonic() - began)


def retry_upload(client: GalleryClient, upload_id: str, progress: JobProgress) -> IngestResult:
    """Run an ended upload again, which works only on what is not done, and wait for its end."""
    check_upload_id(upload_id)
    began = time.monotonic()
    client.retry(upload_id)
    status = _follow(client, upload_id, client.status(upload_id).image_count, progress, None)
    return _result(status, time.monotonic() - began)


def _result(status: ReportedStatus, seconds: float) -> IngestResult:
    counts: dict[str, int] = {outcome: status.counts.get(outcome, 0) for outcome in OUTCOMES}
    if pending := status.counts.get("pending", 0):
        counts["pending"] = pending
    return IngestResult(
        gallery_id=status.gallery_id,
        upload_id=status.upload_id,
        flow_run_id=status.flow_run_id,
        flow_run_url=status.flow_run_url,
        state=status.state,
        image_count=status.image_count,
        counts=counts,
        duration_seconds=seconds,
        problems=status.problems,
    )


def _follow(
    client: GalleryClient, upload_id: str, images: int, progress: JobProgress, timeout: float | None
) -> ReportedStatus:
    progress.step("ingesting", images, "images")

    def tell(status: ReportedStatus) -> None:
        counts = {outcome: n for outcome in OUTCOMES if (n := status.counts.get(outcome, 0))}
        detail = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items())
        if status.waiting is not None:
            detail = "; ".join(filter(None, (detail, status.waiting.in_words())))
        progress.advance(sum(counts.values()), detail or status.state)

    return client.wait(upload_id, tell, timeout)


class _Signatures:
    """The requests of an upload, renewed once for all senders when they have expired meanwhile."""

    def __init__(self, client: GalleryClient, presigned: PresignedUpload) -> None:
        self._client, self._upload_id = client, presigned.upload_id
        self._lock = Lock()
        self._files = _by_name(presigned.files)

    def of(self, file_name: str) -> PresignedRequest:
        try:
            return self._files[file_name]
        except KeyError:
            raise GalleryError(f"the gallery API signed no request for {file_name!a}") from None

    def renewed(self, stale: PresignedRequest) -> PresignedRequest | None:
        """A request newer than `stale`, or `None` where the file has arrived meanwhile."""
        with self._lock:
            if self._files[stale.file_name] is stale:
                self._files = self._files | _by_name(self._client.sign(self._upload_id).files)
            fresh = self._files[stale.file_name]
        return None if fresh is stale else fresh


def _by_name(files: Iterable[PresignedRequest]) -> dict[str, PresignedRequest]:
    return {file.file_name: file for file in files}


def _send_all(
    client: GalleryClient, presigned: PresignedUpload, found: FoundPhotographs, progress: JobProgress
) -> None:
    signatures = _Signatures(client, presigned)
    progress.step("sending", found.total_bytes, "bytes")
    sent = done_bytes = 0
    refusal: GalleryError | None = None
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as senders:
        sending = {senders.submit(_send, client, signatures, file): file for file in found.files}
        try:
            for future in as_completed(sending):
                file = sending[future]
                if (refusal_of_file := _refusal(future)) is None:
                    sent += 1
                else:
                    refusal = refusal_of_file
                    progress.note(f"not sent: {refusal}")
                done_bytes += file.size
                progress.advance(done_bytes, f"{sent:,} of {len(found.files):,} files")
        except BaseException:
            # Also for Ctrl-C: else leaving the pool would send all the rest first.
            senders.shutdown(wait=False, cancel_futures=True)
            raise
    if sent == 0 and refusal is not None:
        raise refusal


def _refusal(sent: Future[None]) -> GalleryError | None:
    """Why one file was not sent, or `None`; raises what would befall every other file as well."""
    try:
        sent.result()
    except UnreachableError:
        raise
    except GalleryError as error:
        return error
    return None


def _send(client: GalleryClient, signatures: _Signatures, file: LocalFile) -> None:
    request = signatures.of(file.file_name)
    try:
        client.send(request, file.path)
    except SendRefusedError as refused:
        # 403 also stands for an expired signature: a slow line may need longer than one lasts.
        if refused.status != 403:
            raise
        if (fresh := signatures.renewed(request)) is not None:
            client.send(fresh, file.path)
