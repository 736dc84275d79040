"""Snapshots of uploads: what decides whether files of an upload may go, or its images may be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import UploadRow
from gallery.models import FINAL_STATES, UploadState


@dataclass(frozen=True, slots=True)
class UploadSnapshot:
    """An upload as it was read. `attempt` is the newest one."""

    gallery_id: str
    state: UploadState
    attempt: int
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether no run of it is under way or about to be started."""
        return self.state in FINAL_STATES


def has_ended() -> ColumnElement[bool]:
    """`UploadSnapshot.has_ended` in SQL."""
    return UploadRow.state.in_(sorted(FINAL_STATES))


def snapshot_of(row: UploadRow) -> UploadSnapshot:
    """What a row says."""
    return UploadSnapshot(row.gallery_id, row.state, row.attempt, row.finished_at)


def read_snapshots(session: Session, upload_ids: Iterable[str]) -> dict[str, UploadSnapshot]:
    """Snapshots of these uploads, by id; those that the catalogue does not know are left out."""
    rows = session.scalars(select(UploadRow).where(UploadRow.upload_id.in_(set(upload_ids))))
    return {row.upload_id: snapshot_of(row) for row in rows}
