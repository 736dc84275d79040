"""What callers are told of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from gallery.catalogue.counts import Counts, count_notes, count_outcomes, list_problems
from gallery.catalogue.decisions import count_undecided
from gallery.catalogue.tables import EntryRow, UploadRow
from gallery.catalogue.waiting import Waiting, read_waiting
from gallery.errors import NotFoundError
from gallery.models import OUTCOMES, EntryProblem, UploadState

PROBLEMS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An upload's state, counts and first problems."""

    upload_id: str
    gallery_id: str
    state: UploadState
    waiting: Waiting | None
    flow_run_id: UUID | None
    image_count: int
    counts: Counts
    to_decide: int
    notes: dict[str, int]
    problems: list[EntryProblem]
    problem_metadata: dict[int, dict[str, Any]]
    """What the caller gave with the files of these problems, by number."""
    metadata: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As the API and callbacks show it, in JSON's types; only the run's address is missing."""
        return {
            "upload_id": self.upload_id,
            "gallery_id": self.gallery_id,
            "state": self.state,
            "waiting": self._waiting(),
            "flow_run_id": str(self.flow_run_id) if self.flow_run_id else None,
            "image_count": self.image_count,
            "counts": {**{outcome: self.counts[outcome] for outcome in OUTCOMES}, "pending": self.counts.pending},
            "to_decide": self.to_decide,
            "notes": self.notes,
            "problems": [self._problem(problem) for problem in self.problems],
            "metadata": self.metadata,
        }

    def _waiting(self) -> dict[str, Any] | None:
        if self.waiting is None:
            return None
        return {"for": self.waiting.waits_for, "uploads_before": self.waiting.uploads_before}

    def _problem(self, problem: EntryProblem) -> dict[str, Any]:
        names = ("file_name", "outcome", "stage", "reason", "message")
        shown: dict[str, Any] = {name: getattr(problem, name) for name in names}
        return {**shown, "metadata": self.problem_metadata.get(problem.number, {})}


def read_status(session: Session, upload_id: str) -> UploadStatus:
    """Read an upload's status. Raises `NotFoundError`."""
    row = session.get(UploadRow, upload_id)
    if row is None:
        raise NotFoundError(f"upload {upload_id} is not known")
    counts = count_outcomes(session, upload_id)
    problems = list_problems(session, upload_id, PROBLEMS_SHOWN)
    given = session.execute(
        select(EntryRow.number, EntryRow.meta).where(
            EntryRow.upload_id == upload_id, EntryRow.number.in_([problem.number for problem in problems])
        )
    )
    return UploadStatus(
        upload_id,
        row.gallery_id,
        row.state,
        read_waiting(session, row),
        row.flow_run_id,
        row.image_count,
        counts,
        count_undecided(session, upload_id) if counts["rejected"] else 0,
        count_notes(session, upload_id),
        problems,
        {row[0]: row[1] for row in given},
        row.meta,
    )
