"""An upload's entries, counted by outcome, and those that are problems."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import EntryRow
from gallery.models import EntryProblem, Outcome


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries of an upload have each outcome, and how many have none yet."""

    by_outcome: dict[Outcome, int]
    pending: int

    def __getitem__(self, outcome: Outcome) -> int:
        return self.by_outcome.get(outcome, 0)

    @property
    def total(self) -> int:
        """All entries."""
        return sum(self.by_outcome.values()) + self.pending


def count_outcomes(session: Session, upload_id: str) -> Counts:
    """Count an upload's entries by outcome."""
    rows = session.execute(
        select(EntryRow.outcome, func.count()).where(EntryRow.upload_id == upload_id).group_by(EntryRow.outcome)
    )
    by_outcome: dict[Outcome, int] = {}
    pending = 0
    for outcome, count in rows:
        if outcome is None:
            pending = count
        else:
            by_outcome[outcome] = count
    return Counts(by_outcome, pending)


def list_problems(session: Session, upload_id: str, limit: int | None = None) -> list[EntryProblem]:
    """The rejected and failed entries of an upload, in order, at most `limit`."""
    rows = session.scalars(
        select(EntryRow)
        .where(EntryRow.upload_id == upload_id, EntryRow.outcome.in_(("rejected", "failed")))
        .order_by(EntryRow.number)
        .limit(limit)
    )
    return [
        EntryProblem(row.number, row.file_name, row.outcome, row.stage, row.reason, row.message or "")  # type: ignore[arg-type]
        for row in rows
    ]
