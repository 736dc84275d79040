"""The plan: what of an upload is still to do, and what is settled without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.claims import plan_entries
from gallery.catalogue.locks import lock_attempt
from gallery.catalogue.outcomes import record_problems, settle_known
from gallery.catalogue.tables import AttemptRow, EntryRow, ImageRow, VersionRow
from gallery.catalogue.verdict import is_overtaken, seq_of
from gallery.errors import FailureReason, RejectionReason
from gallery.models import Attempt, Entry, EntryProblem, ObjectKey, Terms
from gallery.storage.s3 import StoredObject


@dataclass(frozen=True, slots=True)
class Plan:
    """How many entries are to do, to be claimed; how many are settled without a download; and the problems that need
    none to be seen.
    """

    todo: int
    settled: int
    problems: tuple[EntryProblem, ...]

    @property
    def found_work(self) -> bool:
        """Whether there was anything to do or to decide."""
        return bool(self.todo or self.problems or self.settled)


def make_plan(session: Session, attempt: Attempt, terms: Terms, staged: Mapping[ObjectKey, StoredObject]) -> Plan:
    """Decide for every entry, in one transaction, from one query and the listing `staged` (by key); what is to do may
    be claimed from then on.

    Raises `StaleAttempt` where a newer attempt has begun.
    """
    lock_attempt(session, attempt)
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.upload_id == attempt.upload_id, AttemptRow.attempt == attempt.number)
        .values(planned_at=func.now())
    )
    rows = session.execute(
        select(EntryRow, ImageRow, VersionRow)
        .outerjoin(
            ImageRow,
            and_(ImageRow.gallery_id == attempt.gallery_id, ImageRow.file_name == EntryRow.file_name),
        )
        .outerjoin(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
        .where(EntryRow.upload_id == attempt.upload_id)
        .order_by(EntryRow.number)
    )

    todo: list[Entry] = []
    known: list[Entry] = []
    problems: list[EntryProblem] = []
    for row, image, current in rows:
        if _is_done(row, attempt, terms):
            continue
        found = staged.get(row.staged_key)
        if image is not None and is_overtaken(attempt, row, image, current):
            known.append(Entry(row.number, row.file_name, row.staged_key, row.etag or "", row.size or 0))
        elif found is None and attempt.force and current is not None and image.last_seq == seq_of(row, attempt):
            # What this upload has brought is what the gallery shows: the library has the very file.
            source = current.original_key
            todo.append(
                Entry(row.number, row.file_name, row.staged_key, current.etag, current.size, library_key=source)
            )
        elif (problem := _problem(row, found, terms)) is not None:
            problems.append(problem)
        elif found is not None:
            entry = Entry(row.number, row.file_name, row.staged_key, found.etag, found.size)
            same = not attempt.force and current is not None and _same_object(entry, current, terms)
            (known if same else todo).append(entry)

    plan_entries(session, attempt, [*todo, *known])
    settled = settle_known(session, attempt, terms, known, planning=True)
    record_problems(session, attempt, terms.judged_by, problems, planning=True)
    return Plan(len(todo) + len(known) - len(settled), len(settled), tuple(problems))


def _is_done(row: EntryRow, attempt: Attempt, terms: Terms) -> bool:
    if row.outcome is None or row.outcome == "failed":
        return False
    if row.reason == "left_out":
        # A person has decided so: neither other limits nor "Redo everything" ask again.
        return True
    if not attempt.keeps(row.attempt):
        return False
    # A rejection stands only for the limits and the processing version that made it.
    return row.outcome != "rejected" or row.judged_by == terms.judged_by


def _same_object(entry: Entry, current: VersionRow, terms: Terms) -> bool:
    return (entry.etag, entry.size, terms.recipe_id) == (current.etag, current.size, current.recipe_id)


def _problem(row: EntryRow, found: StoredObject | None, terms: Terms) -> EntryProblem | None:
    def failed(reason: FailureReason, message: str) -> EntryProblem:
        return EntryProblem(row.number, row.file_name, "failed", "download", reason, message)

    if found is None:
        return failed("missing_object", "the file has not arrived in storage; send it again, then retry")
    if row.declared_size is not None and row.declared_size != found.size:
        return failed(
            "size_mismatch",
            f"{found.size:,} bytes arrived where {row.declared_size:,} were announced; send it again, then retry",
        )
    if found.size > terms.max_file_bytes:
        reason: RejectionReason = "too_many_bytes"
        message = f"the file has {found.size:,} bytes; at most {terms.max_file_bytes:,} are accepted"
        return EntryProblem(row.number, row.file_name, "rejected", "download", reason, message)
    return None
