"""Open uploads and their files: what has arrived, what is complete without being said to be, what has expired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_callback
from gallery.catalogue.locks import claimed, find_and_lock_upload, lock_upload
from gallery.catalogue.tables import EntryRow, UploadRow
from gallery.catalogue.uploads import accept
from gallery.models import ObjectKey
from gallery.storage.keys import StagedKey
from gallery.storage.s3 import StoredObject

# An upload whose files lie there unannounced is complete after so much quiet: its sender may still replace one.
QUIET = timedelta(seconds=60)
# Between two looks at an upload that is not whole: a tenth of the time since something happened, within these.
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=60), timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An open upload whose files are to be looked for."""

    upload_id: str
    gallery_id: str


def mark_arrived(session: Session, keys: Iterable[str]) -> int:
    """Note staged files that S3 says have arrived; keys that nobody declared are nobody's business.

    Returns how many arrivals were news. An upload whose last file this was is due for a look at once.
    """
    news = 0
    by_upload: dict[str, list[str]] = {}
    for key in keys:
        if (staged := StagedKey.parse(key)) is not None:
            by_upload.setdefault(staged.upload_id, []).append(key)
    for upload_id, mine in sorted(by_upload.items()):
        open_now = find_and_lock_upload(session, UploadRow.upload_id == upload_id, UploadRow.state == "open")
        if open_now is None:
            continue
        news += _set_arrived(session, upload_id, mine)
        if not _missing(session, upload_id):
            open_now.check_after = func.now()
    return news


def _set_arrived(session: Session, upload_id: str, keys: Iterable[str]) -> int:
    changed = session.scalars(
        update(EntryRow)
        .where(EntryRow.upload_id == upload_id, EntryRow.staged_key.in_(list(keys)), EntryRow.arrived_at.is_(None))
        .values(arrived_at=func.now())
        .returning(EntryRow.number)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def _missing(session: Session, upload_id: str) -> int:
    query = select(func.count()).where(EntryRow.upload_id == upload_id, EntryRow.arrived_at.is_(None))
    return session.scalar(query) or 0


def claim_open(session: Session, *, limit: int = 1) -> list[OpenUpload]:
    """Take open uploads that are due for a look; each comes up again, later and later while nothing happens."""
    due = (
        select(UploadRow)
        .where(UploadRow.state == "open", or_(UploadRow.check_after <= func.now(), UploadRow.expires_at <= func.now()))
        .order_by(UploadRow.check_after)
        .limit(limit)
    )
    taken = []
    for row in session.scalars(claimed(due)):
        latest = session.scalar(select(func.max(EntryRow.arrived_at)).where(EntryRow.upload_id == row.upload_id))
        idle = datetime.now(UTC) - max(row.created_at, latest or row.created_at)
        row.check_after = func.now() + min(max(idle / 10, SHORTEST_PAUSE), LONGEST_PAUSE)
        taken.append(OpenUpload(row.upload_id, row.gallery_id))
    return taken


def settle_open(
    session: Session, upload_id: str, staged: Mapping[ObjectKey, StoredObject], *, quiet: timedelta = QUIET
) -> str:
    """Complete an open upload whose declared files are all in the listing `staged`, or expire it; its state then.

    Files that S3 events have announced are complete at once; files that only the listing shows, after `quiet`.
    """
    row = lock_upload(session, upload_id)
    if row.state != "open":
        return row.state
    entries = session.scalars(select(EntryRow).where(EntryRow.upload_id == upload_id)).all()
    found = {entry.number: staged.get(entry.staged_key) for entry in entries}
    announced = all(entry.arrived_at is not None for entry in entries)
    here = [entry for entry in entries if _is_whole(entry, found[entry.number])]
    _set_arrived(session, upload_id, [entry.staged_key for entry in here])
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    if len(here) == len(entries) and (announced or expired or _since_last(found.values()) >= quiet):
        row.trigger = "s3_event"
        return accept(session, upload_id).state
    if expired:
        row.state, row.finished_at = "expired", func.now()
        queue_callback(session, upload_id, "expired")
    return row.state


def _is_whole(entry: EntryRow, found: StoredObject | None) -> bool:
    return found is not None and entry.declared_size in (None, found.size)


def _since_last(found: Iterable[StoredObject | None]) -> timedelta:
    moments = [item.modified_at for item in found if item is not None and item.modified_at is not None]
    # By the store's clock, which may be ahead of ours: then it merely waits longer.
    return datetime.now(UTC) - max(moments, default=datetime.now(UTC))
