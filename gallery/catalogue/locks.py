"""Every lock that a transaction of the catalogue takes, in the order in which they may be taken.

A transaction that takes several takes them from top to bottom, so no two can wait for each other. All end with their
transaction.

| order | lock | exclusive | shared |
| --- | --- | --- | --- |
| 1 | migrations (advisory) | `gallery migrate` | |
| 1 | history summaries (advisory) | the report of a run, `gallery history prune` | |
| 1 | an Idempotency-Key (advisory) | presign | |
| 2 | a new upload's id (advisory) | a webhook's first call; a sweep of files of an unknown upload | |
| 3 | an upload's row; several by `upload_id` | a change of its state; a sweep or rebuild that deletes its objects; \
deletion of its gallery | each write of its newest \
attempt; a rebuild of its images |
| 4 | a gallery's order (advisory) | deletion of an image or gallery | accept, a decision, a restoration |
| 5 | an image's row; several by `image_id` | save, settle, rebuild, restoration, deletion; a last look before its \
objects are deleted | |
| 6 | an entry's row | each write of its outcome, the claim of it | |
| 6 | a row of the outbox or of callbacks | the process that does what it asks for | |

An upload whose row a sweep looks for in vain is locked by its id afterwards (2 after 3): no row is locked then.
Claims (`claimed`) skip what another transaction has locked, so they wait for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.snapshots import UploadSnapshot, has_ended, snapshot_of
from gallery.catalogue.tables import Base, CallbackRow, EntryRow, ImageRow, UploadRow
from gallery.errors import NotFoundError, StaleAttempt
from gallery.models import Attempt, UploadState

# Any constants will do, as long as all callers of one lock have the same.
MIGRATIONS_KEY = 0x67616C6C
SUMMARIES_KEY = 0x68697374

Columns = TypeVarTuple("Columns")

VersionStatus = Literal["current", "superseded", "busy"]
"""Whether a version may be rebuilt: `busy` is one of an upload with a run under way."""


def lock_migrations(connection: Connection) -> None:
    """Let no one else migrate this catalogue."""
    connection.execute(select(func.pg_advisory_xact_lock(MIGRATIONS_KEY)))


def lock_summaries(session: Session) -> None:
    """Let no one else sum up days of the history."""
    session.execute(select(func.pg_advisory_xact_lock(SUMMARIES_KEY)))


def lock_idempotency_key(session: Session, requested_by: str, key: str) -> None:
    """Wait for a concurrent call with the same key by the same caller."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{requested_by}\n{key}", 0))))


def lock_new_upload(session: Session, upload_id: str) -> None:
    """Let no one else store an upload of this id, which is not known yet."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"upload\n{upload_id}", 0))))


def lock_upload(session: Session, upload_id: str) -> UploadRow:
    """An upload's row, locked. Raises `NotFoundError`."""
    row = find_and_lock_upload(session, UploadRow.upload_id == upload_id)
    if row is None:
        raise NotFoundError(f"upload {upload_id} is not known")
    return row


def find_and_lock_upload(session: Session, *conditions: ColumnElement[bool]) -> UploadRow | None:
    """The upload that meets the conditions, locked, or `None`; of several, the one accepted last."""
    query = (
        select(UploadRow)
        .where(*conditions)
        .order_by(UploadRow.accepted_seq.desc().nulls_last())
        .limit(1)
        .with_for_update()
    )
    # What was read before may have changed while the lock was waited for.
    return session.scalar(query, execution_options={"populate_existing": True})


def lock_live_uploads(session: Session, gallery_id: str) -> Sequence[UploadRow]:
    """A gallery's uploads that are open or under way, locked: none of their writes is pending, and none begins."""
    live = UploadRow.state.in_(("open", "accepted", "running"))
    query = select(UploadRow).where(UploadRow.gallery_id == gallery_id, live)
    return session.scalars(query.order_by(UploadRow.upload_id).with_for_update()).all()


def lock_snapshot(session: Session, upload_id: str) -> UploadSnapshot | None:
    """Lock an upload and describe it; `None` where it is not known, and stays unknown until the transaction ends.

    No attempt of it begins meanwhile and none writes: both lock the same row.
    """
    row = find_and_lock_upload(session, UploadRow.upload_id == upload_id)
    if row is None:
        lock_new_upload(session, upload_id)
        row = find_and_lock_upload(session, UploadRow.upload_id == upload_id)
    return None if row is None else snapshot_of(row)


def lock_attempt(session: Session, attempt: Attempt) -> None:
    """Make sure that this attempt is the newest and running, and stays so until the transaction ends.

    Shared: an attempt's own transactions run side by side, and the begin of a newer one, or an end, waits for them.
    Raises `StaleAttempt`.
    """
    newest, state = session.execute(
        select(UploadRow.attempt, UploadRow.state)
        .where(UploadRow.upload_id == attempt.upload_id)
        .with_for_update(read=True)
    ).one()
    _check_running(attempt, newest, state)


def lock_attempt_for_entry(session: Session, attempt: Attempt, number: int) -> EntryRow:
    """As `lock_attempt`, and returns the row of one of its entries: one round trip for both."""
    newest, state, entry = session.execute(
        select(UploadRow.attempt, UploadRow.state, EntryRow)
        .join(EntryRow, EntryRow.upload_id == UploadRow.upload_id)
        .where(UploadRow.upload_id == attempt.upload_id, EntryRow.number == number)
        .with_for_update(read=True, of=UploadRow)
    ).one()
    _check_running(attempt, newest, state)
    return entry


def _check_running(attempt: Attempt, newest: int, state: UploadState) -> None:
    # An end that others have written is an end as well: a process that was frozen meanwhile writes nothing more.
    if (newest, state) != (attempt.number, "running"):
        raise StaleAttempt(attempt.upload_id, attempt.number)


def share_order(session: Session, gallery_id: str) -> None:
    """Take a place in the order of a gallery's uploads; a deletion waits until its number is committed."""
    session.execute(select(func.pg_advisory_xact_lock_shared(_order_key(gallery_id))))


def lock_order(session: Session, gallery_id: str) -> None:
    """Wait for acceptances under way, whose numbers may be lower, and hold up those to come."""
    session.execute(select(func.pg_advisory_xact_lock(_order_key(gallery_id))))


def _order_key(gallery_id: str) -> ColumnElement[int]:
    return func.hashtextextended(f"order\n{gallery_id}", 0)


def lock_image(session: Session, gallery_id: str, image_id: UUID) -> ImageRow:
    """An image's row, locked. Raises `NotFoundError`."""
    query = select(ImageRow).where(ImageRow.gallery_id == gallery_id, ImageRow.image_id == image_id)
    image = session.scalar(query.with_for_update())
    if image is None:
        raise NotFoundError(f"gallery {gallery_id} has no image {image_id}")
    return image


def find_or_create_image(session: Session, gallery_id: str, file_name: str) -> ImageRow:
    """The row of the image with this name, locked; created where there is none."""
    # An update that changes nothing locks the row and returns it: find, create and lock in one round trip.
    statement = upsert(ImageRow).values(gallery_id=gallery_id, file_name=file_name)
    statement = statement.on_conflict_do_update(
        index_elements=[ImageRow.gallery_id, ImageRow.file_name],
        set_={"file_name": statement.excluded.file_name},
    )
    return session.scalars(statement.returning(ImageRow), execution_options={"populate_existing": True}).one()


def lock_images(session: Session, images: Select[UUID]) -> Sequence[UUID]:
    """Lock the images that a query finds, in the order of their ids; returns these.

    Read what they say after this: a row that was waited for may have another current version by then.
    """
    return session.scalars(images.order_by(ImageRow.image_id).with_for_update(of=ImageRow)).all()


def move_images(session: Session, gallery_id: str, file_names: Sequence[str], seq: int) -> None:
    """Put the images with these names behind `seq` in the order of uploads; one without a row gets one.

    The caller has locked the gallery's order and its images (`lock_images`): the rows that this meets are its own.
    """
    statement = upsert(ImageRow).values(
        [{"gallery_id": gallery_id, "file_name": name, "last_seq": seq} for name in file_names]
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[ImageRow.gallery_id, ImageRow.file_name],
            set_={"last_seq": func.greatest(ImageRow.last_seq, statement.excluded.last_seq)},
        )
    )


def lock_version(session: Session, upload_id: str, image_id: UUID, version_id: UUID) -> VersionStatus:
    """Lock a version's upload, shared, and its image, and tell whether the version may be rebuilt.

    Only `current` may, within this transaction. Until that ends no attempt of the upload begins, which would write
    the same keys; no sweep takes objects of it; and no other upload replaces the image.
    """
    upload = select(has_ended()).where(UploadRow.upload_id == upload_id)
    if not session.scalar(upload.with_for_update(read=True)):
        return "busy"
    query = select(ImageRow).where(ImageRow.image_id == image_id).with_for_update()
    image = session.scalar(query, execution_options={"populate_existing": True})
    return "current" if image is not None and image.current_version_id == version_id else "superseded"


def lock_last_callback(session: Session, upload_id: str) -> CallbackRow | None:
    """The newest message to the application about an upload, locked; `None` where there is none."""
    query = select(CallbackRow).where(CallbackRow.upload_id == upload_id, CallbackRow.audience == "application")
    return session.scalar(query.order_by(CallbackRow.created_at.desc()).limit(1).with_for_update())


def claimed(query: Select[*Columns], *, of: type[Base] | None = None) -> Select[*Columns]:
    """The query, for rows (`of` one table that it joins) that no other transaction has locked: these are locked."""
    return query.with_for_update(skip_locked=True, of=of)
