"""Deletion of images and galleries: rows at once, objects through the outbox.

A deletion takes a place in the order of uploads, by a number of its own: an upload that was accepted before it,
running or retried, is `superseded` and cannot bring an image back; one accepted after it can. The image's row
stays, without a version, to remember that; so do entries and attempts, the history of what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, insert, literal, null, or_, select, union, update
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_callback
from gallery.catalogue.locks import lock_image, lock_images, lock_live_uploads, lock_order, move_images
from gallery.catalogue.tables import (
    ACCEPTED_SEQ,
    EntryRow,
    GalleryRow,
    ImageRow,
    OutboxRow,
    RenditionRow,
    UploadRow,
    VersionRow,
)
from gallery.errors import NotFoundError

NO_ETAG = cast(null(), Text)


def delete_image(
    session: Session, gallery_id: str, image_id: UUID, *, uploads_bucket: str, library_bucket: str, requested_by: str
) -> None:
    """Delete an image with all its versions; again, it does nothing. Raises `NotFoundError`."""
    lock_order(session, gallery_id)
    lock_image(session, gallery_id, image_id)
    seq = session.scalar(select(ACCEPTED_SEQ.next_value())) or 0
    _remove(session, [image_id], seq, uploads_bucket, library_bucket, requested_by)


def delete_gallery(
    session: Session, gallery_id: str, *, uploads_bucket: str, library_bucket: str, requested_by: str
) -> None:
    """Delete all images of a gallery, and cancel its open uploads. Raises `NotFoundError`."""
    if session.get(GalleryRow, gallery_id) is None:
        raise NotFoundError(f"gallery {gallery_id} is not known")
    _cancel_open(session, gallery_id, uploads_bucket, requested_by)
    lock_order(session, gallery_id)
    seq = session.scalar(select(ACCEPTED_SEQ.next_value())) or 0
    images = lock_images(session, select(ImageRow.image_id).where(ImageRow.gallery_id == gallery_id))
    _remove(session, images, seq, uploads_bucket, library_bucket, requested_by)
    _forestall(session, gallery_id, seq)


def _cancel_open(session: Session, gallery_id: str, uploads_bucket: str, requested_by: str) -> None:
    # Also those under way: an image that one of them has just created would be in no list of ours.
    for row in lock_live_uploads(session, gallery_id):
        if row.state != "open":
            continue
        row.state, row.finished_at = "cancelled", func.now()
        queue_callback(session, row.upload_id, "cancelled")
        staged = select(
            literal(uploads_bucket), EntryRow.staged_key, EntryRow.upload_id, EntryRow.number, literal(requested_by)
        ).where(EntryRow.upload_id == row.upload_id)
        session.execute(
            insert(OutboxRow).from_select(["bucket", "key", "upload_id", "entry_number", "requested_by"], staged)
        )


def _remove(
    session: Session, images: Sequence[UUID], seq: int, uploads_bucket: str, library_bucket: str, requested_by: str
) -> None:
    """Give up all versions of these images, which the caller has locked, and queue all their objects."""
    versions = select(VersionRow.version_id).where(VersionRow.image_id.in_(images))
    originals = select(
        literal(library_bucket), VersionRow.original_key, NO_ETAG, VersionRow.upload_id, VersionRow.entry_number
    ).where(VersionRow.image_id.in_(images))
    renditions = (
        select(literal(library_bucket), RenditionRow.key, NO_ETAG, VersionRow.upload_id, VersionRow.entry_number)
        .join(VersionRow, VersionRow.version_id == RenditionRow.version_id)
        .where(VersionRow.image_id.in_(images))
    )
    # Only while it is what was ingested: a sender may have put something new there.
    staged = select(
        literal(uploads_bucket), EntryRow.staged_key, EntryRow.etag, EntryRow.upload_id, EntryRow.number
    ).where(EntryRow.image_id.in_(images), EntryRow.etag.is_not(None))
    gone = union(originals, renditions, staged).subquery()
    session.execute(
        insert(OutboxRow).from_select(
            ["bucket", "key", "etag", "upload_id", "entry_number", "requested_by"],
            select(*gone.c, literal(requested_by)),
        )
    )
    session.execute(
        update(ImageRow)
        .where(ImageRow.image_id.in_(images))
        .values(current_version_id=None, last_seq=seq)
        .execution_options(synchronize_session=False)
    )
    session.execute(delete(RenditionRow).where(RenditionRow.version_id.in_(versions)))
    session.execute(delete(VersionRow).where(VersionRow.image_id.in_(images)))


def _forestall(session: Session, gallery_id: str, seq: int) -> None:
    """Keep images from appearing that an accepted upload of the gallery has yet to save, or could by a retry."""
    pending = (
        select(EntryRow.file_name)
        .join(UploadRow, UploadRow.upload_id == EntryRow.upload_id)
        .where(
            UploadRow.gallery_id == gallery_id,
            func.coalesce(EntryRow.decided_seq, UploadRow.accepted_seq) < seq,
            or_(EntryRow.outcome.is_(None), EntryRow.outcome.in_(("failed", "rejected"))),
        )
        .order_by(EntryRow.file_name)
        .distinct()
    )
    names = session.scalars(pending).all()
    if names:
        move_images(session, gallery_id, names, seq)
