"""How uploads stand, for whoever works beside their runs: seen once for many, and held still for one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import UploadRow
from gallery.catalogue.uploads import creation_lock
from gallery.models import FINAL_STATES, UploadState


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether files of an upload may go. `attempt` is the newest one."""

    gallery_id: str
    state: UploadState
    attempt: int
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether no run of it is under way or to come by itself."""
        return self.state in FINAL_STATES


def has_ended() -> ColumnElement[bool]:
    """The same, in SQL."""
    return UploadRow.state.in_(sorted(FINAL_STATES))


def read_standings(session: Session, upload_ids: Iterable[str]) -> dict[str, Standing]:
    """How these uploads stand; those that the catalogue does not know are left out."""
    rows = session.scalars(select(UploadRow).where(UploadRow.upload_id.in_(set(upload_ids))))
    return {row.upload_id: _standing(row) for row in rows}


def hold_still(session: Session, upload_id: str) -> Standing | None:
    """Lock an upload until the transaction ends, and say how it stands; `None`: it is not known, and stays so.

    No attempt of it begins meanwhile and none writes: both take this lock, too.
    """
    query = select(UploadRow).where(UploadRow.upload_id == upload_id).with_for_update()
    row = session.scalar(query, execution_options={"populate_existing": True})
    if row is None:
        session.execute(select(func.pg_advisory_xact_lock(creation_lock(upload_id))))
        row = session.scalar(query)
    return None if row is None else _standing(row)


def _standing(row: UploadRow) -> Standing:
    return Standing(row.gallery_id, cast(UploadState, row.state), row.attempt, row.finished_at)
