"""Which library keys the catalogue still needs: nothing that these name may be deleted as left over."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import OutboxRow, RenditionRow, VersionRow
from gallery.models import ObjectKey


def referred_to(session: Session, keys: Iterable[ObjectKey]) -> set[ObjectKey]:
    """Which of these library keys a version that was not superseded still refers to."""
    wanted = list(keys)
    originals = select(VersionRow.original_key).where(
        VersionRow.original_key.in_(wanted), VersionRow.superseded_at.is_(None)
    )
    renditions = (
        select(RenditionRow.key)
        .join(VersionRow, VersionRow.version_id == RenditionRow.version_id)
        .where(RenditionRow.key.in_(wanted), VersionRow.superseded_at.is_(None))
    )
    return set(session.scalars(originals.union_all(renditions)))


def awaiting_deletion(session: Session, bucket: str, keys: Iterable[ObjectKey]) -> set[ObjectKey]:
    """Which of these keys the outbox is still to delete, now or later: when, is its own business."""
    query = select(OutboxRow.key).where(
        OutboxRow.key.in_(list(keys)), OutboxRow.bucket == bucket, OutboxRow.done_at.is_(None)
    )
    return set(session.scalars(query))
