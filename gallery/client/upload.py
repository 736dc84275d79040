"""Sends files through the API, as a browser would, and follows what becomes of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from threading import Lock

from gallery.client.api import GalleryClient
from gallery.client.conflicts import FileToSend
from gallery.client.errors import SendRefusedError, UnreachableError
from gallery.client.folder import LocalFile
from gallery.client.left_out import without_faulty
from gallery.client.progress import JobProgress
from gallery.client.types import DeclaredFile, PresignedRequest, PresignedUpload, ReportedProblem, ReportedStatus
from gallery.errors import GalleryError
from gallery.models import OUTCOMES

# As many as a browser's upload page keeps open.
SENDERS = 8


def upload_files(
    client: GalleryClient,
    gallery_id: str,
    files: Sequence[FileToSend],
    progress: JobProgress,
    timeout: float | None = None,
) -> tuple[ReportedStatus | None, tuple[ReportedProblem, ...]]:
    """Upload files to `gallery_id`, start their run and wait for the end of it.

    Returns the last status, and a problem for each file that the API refuses; no status where none is left to send.
    A file that cannot be sent holds up no other: it is noted, the run reports it as `failed`, and its problem says why
    it was not sent.
    `timeout`: seconds to wait for the run. Raises `GalleryError` where nothing could be sent; see `GalleryClient`.
    """

    def presign(some: Sequence[FileToSend]) -> PresignedUpload:
        declared = [DeclaredFile(one.file.file_name, one.file.size, one.file.content_type, one.expect) for one in some]
        return client.presign(gallery_id, declared, idempotency_key=str(uuid.uuid4()))

    if not files:
        return None, ()
    presigned, refused = without_faulty(files, presign)
    if presigned is None:
        return None, refused
    names_refused = {problem.file_name for problem in refused}
    sent = [one.file for one in files if one.file_name not in names_refused]
    not_sent = _send_all(client, presigned, sent, progress)
    client.complete(presigned.upload_id)
    status = follow(client, presigned.upload_id, len(sent), progress, timeout)
    return replace(status, problems=tuple(_explained(problem, not_sent) for problem in status.problems)), refused


def _explained(problem: ReportedProblem, not_sent: Mapping[str, str]) -> ReportedProblem:
    """The run knows only that a file has not arrived; we know why."""
    why = not_sent.get(problem.file_name)
    return replace(problem, message=why) if why and problem.reason == "missing_object" else problem


def follow(
    client: GalleryClient, upload_id: str, images: int, progress: JobProgress, timeout: float | None = None
) -> ReportedStatus:
    """Wait for the end of an upload's run, and tell how far it is."""
    progress.step("ingesting", images, "images")

    def tell(status: ReportedStatus) -> None:
        counts = {outcome: n for outcome in OUTCOMES if (n := status.counts.get(outcome, 0))}
        detail = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items())
        if status.waiting is not None:
            detail = "; ".join(filter(None, (detail, status.waiting.in_words())))
        progress.advance(sum(counts.values()), detail or status.state)

    try:
        return client.wait(upload_id, tell, timeout)
    except KeyboardInterrupt:
        progress.note(f"upload {upload_id} goes on without this command: see {client.api_url}/v1/uploads/{upload_id}")
        raise


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
    client: GalleryClient, presigned: PresignedUpload, files: Sequence[LocalFile], progress: JobProgress
) -> dict[str, str]:
    """Send the files; returns why, for each that was not sent. Raises the last reason where none was."""
    signatures = _Signatures(client, presigned)
    progress.step("sending", sum(file.size for file in files), "bytes")
    not_sent: dict[str, str] = {}
    sent = done_bytes = 0
    refusal: GalleryError | None = None
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as senders:
        sending = {senders.submit(_send, client, signatures, file): file for file in files}
        try:
            for future in as_completed(sending):
                file = sending[future]
                if (refusal_of_file := _refusal(future)) is None:
                    sent += 1
                else:
                    refusal = refusal_of_file
                    progress.note(f"not sent: {refusal}")
                    not_sent[file.file_name] = f"not sent: {refusal}"
                done_bytes += file.size
                progress.advance(done_bytes, f"{sent:,} of {len(files):,} files")
        except BaseException:
            # Also for Ctrl-C: else leaving the pool would send all the rest first.
            senders.shutdown(wait=False, cancel_futures=True)
            raise
    if sent == 0 and refusal is not None:
        raise refusal
    return not_sent


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
