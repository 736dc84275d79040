"""What callers are told of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from gallery.catalogue.attempts import Counts, count_outcomes, list_problems
from gallery.catalogue.tables import UploadRow
from gallery.errors import NotFoundError
from gallery.models import Problem, UploadState

PROBLEMS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An upload's state, counts and first problems."""

    upload_id: str
    gallery_id: str
    state: UploadState
    flow_run_id: UUID | None
    image_count: int
    counts: Counts
    problems: list[Problem]
    metadata: dict[str, Any]


def read_status(session: Session, upload_id: str) -> UploadStatus:
    """Read an upload's status. Raises `NotFoundError`."""
    row = session.get(UploadRow, upload_id)
    if row is None:
        raise NotFoundError(f"upload {upload_id} is not known")
    return UploadStatus(
        upload_id,
        row.gallery_id,
        cast(UploadState, row.state),
        row.flow_run_id,
        row.image_count,
        count_outcomes(session, upload_id),
        list_problems(session, upload_id, PROBLEMS_SHOWN),
        row.meta,
    )
