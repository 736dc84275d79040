"""The outbox: deletions that a committed transaction has made due, done later and idempotently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.locks import claimed, lock_images
from gallery.catalogue.snapshots import has_ended
from gallery.catalogue.tables import EntryRow, ImageRow, OutboxRow, RenditionRow, UploadRow, VersionRow
from gallery.models import Deleted, Deletion, ObjectKey

# Between two tries of a deletion that storage did not take.
LONGEST_PAUSE = timedelta(hours=1)
# And of one that it has refused: by then, a retention may have ended or a policy been changed.
AFTER_REFUSAL = timedelta(days=1)


def put_in_outbox(
    session: Session,
    upload_id: str,
    entry_number: int,
    superfluous: Sequence[tuple[str, ObjectKey, str | None]],
    due_in: timedelta,
) -> list[Deletion]:
    """Write down (bucket, key, ETag) of what an entry's commit makes superfluous; returns what is due at once."""
    if not superfluous:
        return []
    values = [
        {
            "bucket": bucket,
            "key": key,
            "etag": etag,
            "upload_id": upload_id,
            "entry_number": entry_number,
            "due_at": func.now() + due_in,
        }
        for bucket, key, etag in superfluous
    ]
    rows = session.scalars(insert(OutboxRow).values(values).returning(OutboxRow)).all()
    return [] if due_in else [_deletion(row) for row in rows]


def due_deletions(
    session: Session, *, upload_id: str | None = None, entry_number: int | None = None, limit: int = 1000
) -> list[Deletion]:
    """Deletions that are due and not done, oldest first: of one entry, one upload, or all.

    A key that a current version refers to is never among them: a worker of release 0.1.0, whose keys have no write
    number, may have taken it up again.
    """
    query = select(OutboxRow).where(_is_due()).order_by(OutboxRow.outbox_id).limit(limit)
    if upload_id is not None:
        query = query.where(OutboxRow.upload_id == upload_id)
    if entry_number is not None:
        query = query.where(OutboxRow.entry_number == entry_number)
    return [_deletion(row) for row in session.scalars(query)]


def claim_requested(session: Session, *, limit: int = 500) -> list[Deletion]:
    """Take deletions that callers of the API asked for; each comes up again, later, unless `mark_done`.

    Several may ask at once: nobody waits, and nobody gets what another has just taken.
    """
    return _claim(session, select(OutboxRow).where(OutboxRow.requested_by.is_not(None), _is_due()), limit)


def claim_left(session: Session, *, after: int, limit: int) -> list[Deletion]:
    """As `claim_requested`: take what is due, whoever left it, with an `outbox_id` above `after`.

    What has been tried in vain is among it, whenever that was. What an upload with an open run has left is not: the run
    does that itself.
    """
    return _claim(session, _left(after), limit)


def list_left(session: Session, *, after: int, limit: int) -> list[Deletion]:
    """What `claim_left` would take, without taking it."""
    return [_deletion(row) for row in session.scalars(_left(after).order_by(OutboxRow.outbox_id).limit(limit))]


def was_in_outbox(session: Session, bucket: str, keys: Sequence[ObjectKey]) -> bool:
    """Whether one of these objects is due for deletion, will be, or has been deleted."""
    given_up = select(OutboxRow.outbox_id).where(OutboxRow.bucket == bucket, OutboxRow.key.in_(keys))
    return bool(session.scalar(select(given_up.exists())))


def still_to_do(session: Session, deletions: Sequence[Deletion]) -> list[Deletion]:
    """Which of these, read before, nobody has done meanwhile and no version has taken up again.

    For objects of the library the images are locked that they belong to: a save under way that refers to one of them
    is waited for, and a later one refuses what is in the outbox.
    """
    ids = [deletion.outbox_id for deletion in deletions]
    if library := [deletion.outbox_id for deletion in deletions if deletion.etag is None]:
        lock_images(session, _images_of(library))
    query = select(OutboxRow.outbox_id).where(OutboxRow.outbox_id.in_(ids), _is_wanted())
    wanted = set(session.scalars(query))
    return [deletion for deletion in deletions if deletion.outbox_id in wanted]


def _images_of(outbox_ids: Sequence[int | None]) -> Select[UUID]:
    entry = and_(EntryRow.upload_id == OutboxRow.upload_id, EntryRow.number == OutboxRow.entry_number)
    images = select(ImageRow.image_id).join(EntryRow, EntryRow.image_id == ImageRow.image_id).join(OutboxRow, entry)
    return images.where(OutboxRow.outbox_id.in_(outbox_ids))


def _left(after: int) -> Select[OutboxRow]:
    under_way = select(UploadRow.upload_id).where(UploadRow.upload_id == OutboxRow.upload_id, ~has_ended())
    is_left = and_(_is_wanted(), is_due_or_tried())
    return select(OutboxRow).where(OutboxRow.outbox_id > after, is_left, ~under_way.exists())


def _claim(session: Session, query: Select[OutboxRow], limit: int) -> list[Deletion]:
    taken = []
    for row in session.scalars(claimed(query.order_by(OutboxRow.outbox_id).limit(limit))):
        row.due_at = func.now() + min(timedelta(seconds=2 ** min(row.tries + 2, 12)), LONGEST_PAUSE)
        row.tries += 1
        taken.append(_deletion(row))
    return taken


def _deletion(row: OutboxRow) -> Deletion:
    return Deletion(row.outbox_id, row.bucket, row.key, row.etag)


def is_due_or_tried() -> ColumnElement[bool]:
    """Whether a deletion that is not done is due, or waits for another try."""
    return or_(OutboxRow.due_at <= func.now(), OutboxRow.tries > 0, OutboxRow.refusal.is_not(None))


def _is_due() -> ColumnElement[bool]:
    return and_(OutboxRow.due_at <= func.now(), _is_wanted())


def _is_wanted() -> ColumnElement[bool]:
    in_use = or_(
        select(VersionRow.version_id)
        .where(VersionRow.original_key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
        select(RenditionRow.version_id)
        .join(VersionRow, VersionRow.version_id == RenditionRow.version_id)
        .where(RenditionRow.key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
    )
    # A staged file's row carries an ETag; its key may by chance equal a library key.
    return and_(OutboxRow.done_at.is_(None), or_(OutboxRow.etag.is_not(None), ~in_use))


def note_deleted(session: Session, deleted: Deleted) -> None:
    """Note which objects are gone; once noted, the first time stays. And which storage refuses to delete, and why."""
    gone = [deletion.outbox_id for deletion in deleted.done]
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.outbox_id.in_(gone), OutboxRow.done_at.is_(None))
        .values(done_at=func.now(), refusal=None)
    )
    by_code: dict[str, list[int | None]] = defaultdict(list)
    for deletion, code in deleted.refused.items():
        by_code[code].append(deletion.outbox_id)
    for code, refused in by_code.items():
        session.execute(
            update(OutboxRow)
            .where(OutboxRow.outbox_id.in_(refused), OutboxRow.done_at.is_(None))
            .values(refusal=code, due_at=func.now() + AFTER_REFUSAL)
        )
