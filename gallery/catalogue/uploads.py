"""An upload from its first mention to its start: opened, accepted once, handed to Prefect once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.attempts import RunUnderWay, leave_end
from gallery.catalogue.locks import claimed, lock_idempotency_key, lock_new_upload, lock_upload, share_order
from gallery.catalogue.tables import ACCEPTED_SEQ, EntryRow, GalleryRow, UploadRow
from gallery.errors import ConflictError, NotFoundError
from gallery.models import ObjectKey, Trigger

# A start that did not get through is tried again after 2, 4, 8 ... seconds, at most this many.
LONGEST_START_DELAY = timedelta(seconds=60)
# An open upload's files are looked for after this long; the browser's own "complete" is usually sooner.
FIRST_CHECK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class DeclaredEntry:
    """A file as a caller announced it; names and keys are already checked. `size` in bytes.

    `expect`: `absent`, or the SHA-256 of the version that it may replace; `None`: it replaces whatever is there.
    """

    file_name: str
    key: ObjectKey
    size: int | None = None
    content_type: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class StartRequest:
    """An accepted upload that has no flow run yet."""

    upload_id: str
    gallery_id: str
    image_count: int
    attempt: int = 0
    """How many attempts there were before, whose runs Prefect has deleted."""
    is_cancelled: bool = False
    """It was cancelled after its run may have been created: that run is to be cancelled."""


def files_fingerprint(gallery_id: str, files: Sequence[DeclaredEntry]) -> str:
    """Equal for the same files of the same gallery with the same expectations, in whatever order they are named."""
    return _digest([gallery_id, sorted((file.key, file.file_name, *_expected(file)) for file in files)])


def request_fingerprint(gallery_id: str, files: Sequence[DeclaredEntry], metadata: dict[str, Any]) -> str:
    """Equal for the same presign request; the keys are ours and differ from one request to the next."""
    named = [[file.file_name, file.size, file.content_type, file.metadata, *_expected(file)] for file in files]
    return _digest([gallery_id, named, metadata])


def _expected(file: DeclaredEntry) -> list[str]:
    # Nothing where nothing is expected: the fingerprints of before there were expectations stay valid.
    return [] if file.expect is None else [file.expect]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def find_by_idempotency_key(session: Session, requested_by: str, key: str) -> UploadRow | None:
    """The upload that this caller opened under this key. Waits for a concurrent call with the same key."""
    lock_idempotency_key(session, requested_by, key)
    return session.scalar(
        select(UploadRow).where(UploadRow.requested_by == requested_by, UploadRow.idempotency_key == key)
    )


def open_upload(
    session: Session,
    *,
    upload_id: str,
    gallery_id: str,
    files: Sequence[DeclaredEntry],
    trigger: Trigger,
    requested_by: str,
    metadata: dict[str, Any],
    expires_at: datetime | None,
    idempotency_key: str | None = None,
) -> UploadRow:
    """Store a new upload in state `open` with its entries, numbered from 1 in the order given."""
    session.execute(upsert(GalleryRow).values(gallery_id=gallery_id).on_conflict_do_nothing())
    row = UploadRow(
        upload_id=upload_id,
        gallery_id=gallery_id,
        state="open",
        trigger=trigger,
        requested_by=requested_by,
        idempotency_key=idempotency_key,
        request_fingerprint=request_fingerprint(gallery_id, files, metadata),
        files_fingerprint=files_fingerprint(gallery_id, files),
        meta=metadata,
        image_count=len(files),
        expires_at=expires_at,
        check_after=func.now() + FIRST_CHECK,
    )
    session.add(row)
    session.flush()
    session.execute(
        insert(EntryRow),
        [
            {
                "upload_id": upload_id,
                "number": number,
                "file_name": file.file_name,
                "staged_key": file.key,
                "declared_size": file.size,
                "content_type": file.content_type,
                "meta": file.metadata,
                "expect": file.expect,
            }
            for number, file in enumerate(files, 1)
        ],
    )
    return row


def find_upload(session: Session, upload_id: str) -> UploadRow:
    """The upload's row. Raises `NotFoundError`."""
    row = session.get(UploadRow, upload_id)
    if row is None:
        raise NotFoundError(f"upload {upload_id} is not known")
    return row


def accept(session: Session, upload_id: str) -> UploadRow:
    """Accept an upload for ingest, once: the same call again changes nothing and returns the same row.

    Raises `NotFoundError` for an unknown upload, `ConflictError` for one that has expired, or that was cancelled
    while it was open.
    """
    row = find_upload(session, upload_id)
    if row.state == "open":
        row = lock_upload(session, upload_id)
    # No state leads back to `open`: the same call again, which is the usual one of a webhook, locks and writes nothing.
    if row.state == "expired":
        raise ConflictError(f"upload {upload_id} has expired; start a new one")
    if row.state == "cancelled" and row.accepted_seq is None:
        raise ConflictError(f"upload {upload_id} was cancelled, or its gallery deleted; start a new one")
    if row.state == "open":
        # A deletion of the gallery takes this lock alone: whatever has a lower number than it, it sees.
        share_order(session, row.gallery_id)
        row.state = "accepted"
        row.accepted_seq = session.scalar(select(ACCEPTED_SEQ.next_value()))
        row.accepted_at = row.start_after = session.scalar(select(func.now()))
    return row


def accept_staged(
    session: Session,
    *,
    upload_id: str,
    gallery_id: str,
    files: Sequence[DeclaredEntry],
    trigger: Trigger,
    requested_by: str,
    metadata: dict[str, Any],
) -> UploadRow:
    """Accept an upload whose files the caller has staged itself, once.

    Raises `ConflictError` where the same `upload_id` is known with other files or for another gallery.
    """
    known = session.get(UploadRow, upload_id)
    if known is None:
        # Two calls at once for a new upload_id: the second waits here, then finds the first one's row.
        lock_new_upload(session, upload_id)
        known = session.get(UploadRow, upload_id)
    if known is None:
        open_upload(
            session,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=files,
            trigger=trigger,
            requested_by=requested_by,
            metadata=metadata,
            expires_at=None,
        )
    elif known.gallery_id != gallery_id or known.files_fingerprint != files_fingerprint(gallery_id, files):
        raise ConflictError(f"upload {upload_id} is already known with other files or for another gallery")
    return accept(session, upload_id)


def claim_due_starts(session: Session, *, limit: int = 20) -> list[StartRequest]:
    """Take accepted uploads that have no run and are due; each comes up again, later, unless `started`. So do cancelled
    ones whose run may be there, since an answer of Prefect's was lost.

    Several callers may ask at once: nobody waits, and nobody gets what another has just taken.
    """
    due = (
        select(UploadRow)
        .where(
            UploadRow.state.in_(("accepted", "cancelled")),
            or_(UploadRow.state == "accepted", UploadRow.start_tries > 0),
            UploadRow.flow_run_id.is_(None),
            UploadRow.start_after <= func.now(),
        )
        .order_by(UploadRow.accepted_seq)
        .limit(limit)
    )
    requests = []
    for row in session.scalars(claimed(due)):
        delay = min(timedelta(seconds=2 ** min(row.start_tries + 1, 10)), LONGEST_START_DELAY)
        row.start_tries += 1
        row.start_after = func.now() + delay
        is_cancelled = row.state == "cancelled"
        requests.append(StartRequest(row.upload_id, row.gallery_id, row.image_count, row.attempt, is_cancelled))
    return requests


def started(session: Session, request: StartRequest, flow_run_id: UUID) -> None:
    """Note the run of an upload; a run that has begun meanwhile has written itself, and stays.

    An upload that was cancelled at the same moment comes up again, so that its run is cancelled, too.
    """
    row = lock_upload(session, request.upload_id)
    if row.flow_run_id is None and (request.is_cancelled or row.state != "cancelled"):
        row.flow_run_id = flow_run_id


def await_retry(row: UploadRow, requested_by: str) -> None:
    """An upload is `accepted` again, until its run begins anew. The caller has locked its row."""
    leave_end(row, "accepted")
    row.retry_requested_at, row.retry_requested_by = func.now(), requested_by


def forget_run(session: Session, row: UploadRow) -> None:
    """Give an upload a new run, since Prefect has deleted the one that it had."""
    row.flow_run_id, row.start_tries, row.restart_after = None, 0, None
    row.start_after = session.scalar(select(func.now()))


def start_anew(session: Session, run: RunUnderWay) -> bool:
    """Give an upload that still waits for its run to begin another one; false where it has begun meanwhile."""
    row = lock_upload(session, run.upload_id)
    if row.state != "accepted" or (row.attempt, row.flow_run_id) != (run.attempt, run.flow_run_id):
        return False
    forget_run(session, row)
    return True
