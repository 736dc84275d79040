"""The outbox: deletions that a committed transaction has made due, done later and idempotently."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.tables import OutboxRow, RenditionRow, VersionRow
from gallery.models import Deletion


def due_deletions(
    session: Session, *, upload_id: str | None = None, entry_number: int | None = None, limit: int = 1000
) -> list[Deletion]:
    """Deletions that are due and not done, oldest first: of one entry, one upload, or all.

    A key that a current version refers to is never among them: a repeated save may have taken it up again.
    """
    in_use = or_(
        select(VersionRow.version_id)
        .where(VersionRow.original_key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
        select(RenditionRow.version_id)
        .join(VersionRow, VersionRow.version_id == RenditionRow.version_id)
        .where(RenditionRow.key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
    )
    query = (
        select(OutboxRow)
        # A staged file's row carries an ETag; its key may by chance equal a library key.
        .where(
            OutboxRow.done_at.is_(None),
            OutboxRow.due_at <= func.now(),
            or_(OutboxRow.etag.is_not(None), ~in_use),
        )
        .order_by(OutboxRow.outbox_id)
        .limit(limit)
    )
    if upload_id is not None:
        query = query.where(OutboxRow.upload_id == upload_id)
    if entry_number is not None:
        query = query.where(OutboxRow.entry_number == entry_number)
    return [Deletion(row.outbox_id, row.bucket, row.key, row.etag) for row in session.scalars(query)]


def mark_done(session: Session, deletions: Sequence[Deletion]) -> None:
    """Note that these objects are gone; once noted, the first time stays."""
    ids = [deletion.outbox_id for deletion in deletions]
    session.execute(
        update(OutboxRow).where(OutboxRow.outbox_id.in_(ids), OutboxRow.done_at.is_(None)).values(done_at=func.now())
    )
