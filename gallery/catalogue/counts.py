"""An upload's entries, counted by outcome, and those that are problems."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from gallery.catalogue.tables import EntryAttemptRow, EntryRow
from gallery.models import Attempt, EntryProblem, Outcome

BAD_OUTCOMES: tuple[Outcome, ...] = ("rejected", "failed")


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


@dataclass(frozen=True, slots=True)
class NotedEntry:
    """An entry, and what a person should know of it. Those that never had an outcome have no notes."""

    file_name: str
    outcome: Outcome | None
    notes: list[str]


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


def count_notes(session: Session, upload_id: str) -> dict[str, int]:
    """Count an upload's entries by note, the most frequent first."""
    each = select(func.unnest(EntryRow.notes).label("note")).where(EntryRow.upload_id == upload_id).subquery()
    number = func.count()
    rows = session.execute(select(each.c.note, number).group_by(each.c.note).order_by(number.desc(), each.c.note))
    return {row[0]: row[1] for row in rows}


def list_noted(session: Session, upload_id: str) -> list[NotedEntry]:
    """The entries of an upload that have notes, in order."""
    rows = session.execute(
        select(EntryRow.file_name, EntryRow.outcome, EntryRow.notes)
        .where(EntryRow.upload_id == upload_id, EntryRow.notes != [])
        .order_by(EntryRow.number)
    )
    return [NotedEntry(*row) for row in rows]


def list_problems(session: Session, upload_id: str, limit: int | None = None) -> list[EntryProblem]:
    """The rejected and failed entries of an upload, in order, at most `limit`."""
    rows = session.scalars(
        select(EntryRow)
        .where(EntryRow.upload_id == upload_id, EntryRow.outcome.in_(BAD_OUTCOMES))
        .order_by(EntryRow.number)
        .limit(limit)
    )
    return [_problem(row) for row in rows]


def list_kept(session: Session, attempt: Attempt) -> list[EntryProblem]:
    """What came of entries that a forced run could not redo, in order: they keep the good outcome that they had."""
    newest = (
        select(EntryAttemptRow)
        .ext(distinct_on(EntryAttemptRow.number))
        .join(
            EntryRow, and_(EntryRow.upload_id == EntryAttemptRow.upload_id, EntryRow.number == EntryAttemptRow.number)
        )
        .where(
            EntryAttemptRow.upload_id == attempt.upload_id,
            EntryAttemptRow.attempt.between(attempt.first_of_run, attempt.number),
            EntryRow.outcome.not_in(BAD_OUTCOMES),
        )
        .order_by(EntryAttemptRow.number, EntryAttemptRow.attempt.desc())
    )
    return [_problem(row) for row in session.scalars(newest) if row.outcome in BAD_OUTCOMES]


def _problem(row: EntryRow | EntryAttemptRow) -> EntryProblem:
    return EntryProblem(row.number, row.file_name, row.outcome, row.stage, row.reason, row.message or "")  # type: ignore[arg-type]
