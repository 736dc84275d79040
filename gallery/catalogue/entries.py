"""An upload's entries, as callers read them page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import EntryRow, ImageRow, UploadRow
from gallery.models import Outcome, Stage


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry and what became of it; `size` in bytes. `named_image_id` is the image of its name, whoever made it."""

    number: int
    file_name: str
    size: int | None
    outcome: Outcome | None
    stage: Stage | None
    reason: str | None
    message: str | None
    notes: list[str]
    image_id: UUID | None
    conflict_sha256: str | None
    named_image_id: UUID | None
    metadata: dict[str, Any]


def list_entries(
    session: Session,
    upload_id: str,
    *,
    outcome: Outcome | None = None,
    reason: str | None = None,
    note: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> Sequence[ListedEntry]:
    """At most `limit` entries of an upload in order, numbered above `after`, with this outcome, reason and note."""
    query = (
        select(EntryRow, ImageRow.image_id)
        .join(UploadRow, UploadRow.upload_id == EntryRow.upload_id)
        .outerjoin(
            ImageRow, and_(ImageRow.gallery_id == UploadRow.gallery_id, ImageRow.file_name == EntryRow.file_name)
        )
        .where(EntryRow.upload_id == upload_id, EntryRow.number > after)
        .order_by(EntryRow.number)
        .limit(limit)
    )
    if outcome is not None:
        query = query.where(EntryRow.outcome == outcome)
    if reason is not None:
        query = query.where(EntryRow.reason == reason)
    if note is not None:
        query = query.where(EntryRow.notes.contains([note]))
    return [
        ListedEntry(
            row.number,
            row.file_name,
            row.declared_size if row.size is None else row.size,
            row.outcome,
            row.stage,
            row.reason,
            row.message,
            row.notes,
            row.image_id,
            row.conflict_sha256,
            named_image_id,
            row.meta,
        )
        for row, named_image_id in session.execute(query)
    ]
