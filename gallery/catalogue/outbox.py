"""The outbox: deletions that a committed transaction has made due, done later and idempotently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.tables import OutboxRow, RenditionRow, VersionRow
from gallery.models import Deletion

# Between two tries of a deletion that storage did not take.
LONGEST_PAUSE = timedelta(hours=1)


def due_deletions(
    session: Session, *, upload_id: str | None = None, entry_number: int | None = None, limit: int = 1000
) -> list[Deletion]:
    """Deletions that are due and not done, oldest first: of one entry, one upload, or all.

    A key that a current version refers to is never among them: a repeated save may have taken it up again.
    """
    query = select(OutboxRow).where(_is_due()).order_by(OutboxRow.outbox_id).limit(limit)
    if upload_id is not None:
        query = query.where(OutboxRow.upload_id == upload_id)
    if entry_number is not None:
        query = query.where(OutboxRow.entry_number == entry_number)
    return [Deletion(row.outbox_id, row.bucket, row.key, row.etag) for row in session.scalars(query)]


def claim_requested(session: Session, *, limit: int = 500) -> list[Deletion]:
    """Take deletions that callers of the API asked for; each comes up again, later, unless `mark_done`.

    Several may ask at once: nobody waits, and nobody gets what another has just taken.
    """
    rows = session.scalars(
        select(OutboxRow)
        .where(OutboxRow.requested_by.is_not(None), _is_due())
        .order_by(OutboxRow.outbox_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for row in rows:
        row.due_at = func.now() + min(timedelta(seconds=2 ** min(row.tries + 2, 12)), LONGEST_PAUSE)
        row.tries += 1
        taken.append(Deletion(row.outbox_id, row.bucket, row.key, row.etag))
    return taken


def _is_due() -> ColumnElement[bool]:
    in_use = or_(
        select(VersionRow.version_id)
        .where(VersionRow.original_key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
        select(RenditionRow.version_id)
        .join(VersionRow, VersionRow.version_id == RenditionRow.version_id)
        .where(RenditionRow.key == OutboxRow.key, VersionRow.superseded_at.is_(None))
        .exists(),
    )
    return and_(
        OutboxRow.done_at.is_(None),
        OutboxRow.due_at <= func.now(),
        # A staged file's row carries an ETag; its key may by chance equal a library key.
        or_(OutboxRow.etag.is_not(None), ~in_use),
    )


def mark_done(session: Session, deletions: Sequence[Deletion]) -> None:
    """Note that these objects are gone; once noted, the first time stays."""
    ids = [deletion.outbox_id for deletion in deletions]
    session.execute(
        update(OutboxRow).where(OutboxRow.outbox_id.in_(ids), OutboxRow.done_at.is_(None)).values(done_at=func.now())
    )
