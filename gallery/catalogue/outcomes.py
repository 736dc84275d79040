"""Outcomes that need no save: known content, overtaken uploads, rejected and failed entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, bindparam, func, literal_column, null, or_, select, update
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

from gallery.catalogue.claims import is_owned, lay_down
from gallery.catalogue.history import (
    NO_TIMINGS,
    bytes_in,
    record,
    record_complaints,
    timing_parameters,
    timing_values,
)
from gallery.catalogue.locks import lock_attempt, lock_images
from gallery.catalogue.tables import EntryRow, ImageRow, VersionRow
from gallery.catalogue.verdict import is_overtaken, judge, seq_of
from gallery.errors import ClaimLost, WouldReplace
from gallery.models import Attempt, Entry, EntryProblem, Outcome, Terms
from gallery.timings import Timing

MESSAGE_LENGTH = 500  # characters kept of a problem's message


@dataclass(frozen=True, slots=True)
class Settlement:
    """A good outcome of one entry; `bytes_out` is what it put into the library for good, in bytes."""

    number: int
    outcome: Outcome
    image_id: UUID
    timing: Timing | None = None
    bytes_out: int = 0
    known: VersionRow | None = None
    """The current version, where the entry is the same."""


def settle_known(
    session: Session,
    attempt: Attempt,
    terms: Terms,
    entries: Sequence[Entry],
    sha256: Mapping[int, str] | None = None,
    timings: Mapping[int, Timing] = NO_TIMINGS,
    *,
    planning: bool = False,
) -> dict[int, Outcome]:
    """Settle entries as `superseded` (a later upload got there first), `unchanged` (same as the current version), or
    `rejected` (`would_replace`: the gallery has what the sender does not expect).

    Content is the same where the entry's SHA-256 (by number, once downloaded) or its ETag and size are equal;
    the recipe must be equal too. Returns the outcome of each entry it settled; the rest is still to do.
    With `force`, nothing is `unchanged`. The owner has claimed the entries, unless it is `planning`.

    Raises `StaleAttempt`, `ClaimLost`.
    """
    if not entries:
        return {}
    lock_attempt(session, attempt)
    numbers = [entry.number for entry in entries]
    here = and_(ImageRow.gallery_id == attempt.gallery_id, ImageRow.file_name == EntryRow.file_name)
    mine = and_(EntryRow.upload_id == attempt.upload_id, EntryRow.number.in_(numbers))
    lock_images(session, select(ImageRow.image_id).join(EntryRow, here).where(mine))
    rows = session.execute(
        select(EntryRow, ImageRow, VersionRow)
        .join(ImageRow, here)
        .outerjoin(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
        .where(mine)
        .execution_options(populate_existing=True)
    )

    by_number = {entry.number: entry for entry in entries}
    settled: list[Settlement] = []
    refused: list[EntryProblem] = []
    unchanged: dict[int, list[UUID]] = defaultdict(list)
    for row, image, current in rows:
        number, timing = row.number, timings.get(row.number)
        is_same = _is_same_content(by_number[number], (sha256 or {}).get(number), current)
        outcome: Outcome | None
        if is_same is None:
            outcome = "superseded" if is_overtaken(attempt, row, image, current) else None
        else:
            try:
                outcome = judge(attempt, row, image, current, terms.recipe_id, is_same=is_same)
            except WouldReplace as error:
                refused.append(
                    EntryProblem(number, row.file_name, "rejected", "save", error.reason, str(error), error.sha256)
                )
                continue
        if outcome == "superseded":
            settled.append(Settlement(number, outcome, image.image_id, timing))
        elif outcome == "unchanged":
            settled.append(Settlement(number, outcome, image.image_id, timing, known=current))
            unchanged[seq_of(row, attempt)].append(image.image_id)
    for seq, images in unchanged.items():
        newest = func.greatest(ImageRow.last_seq, seq)
        session.execute(update(ImageRow).where(ImageRow.image_id.in_(images)).values(last_seq=newest))
    if settled:
        write_outcomes(session, attempt, settled, planning=planning)
    record_problems(session, attempt, terms.judged_by, refused, timings, planning=planning)
    outcomes: dict[int, Outcome] = {item.number: item.outcome for item in settled}
    return outcomes | {problem.number: problem.outcome for problem in refused}


def _is_same_content(entry: Entry, sha256: str | None, current: VersionRow | None) -> bool | None:
    """Whether an entry is the same as the current version; `None` where that shows only once it is downloaded."""
    if current is None:
        return False
    if sha256 is not None:
        return sha256 == current.sha256
    # Equal ETags prove equal content; unequal ones prove nothing (multipart uploads, KMS), SHA-256 decides then.
    return True if (entry.etag, entry.size) == (current.etag, current.size) else None


def _kept_outcome() -> ColumnElement[Outcome | None]:
    # Written out: what a statement has as parameters of its own is lost when it is compiled to text.
    not_failed = func.nullif(EntryRow.outcome, literal_column("'failed'", EntryRow.outcome.type))
    return func.nullif(not_failed, literal_column("'rejected'", EntryRow.outcome.type))


@cache
def _settling() -> str:
    """The statement of `write_outcomes`: entry and history in one, which costs a save no round trip of its own.

    Compiled once: SQLAlchemy does not cache an `ON CONFLICT`, and took 2 ms to build it anew, many times what
    PostgreSQL takes to do it.
    """
    written = (
        update(EntryRow)
        .where(EntryRow.upload_id == bindparam("its_upload_id"), EntryRow.number == bindparam("its_number"), is_owned())
        .values(
            todo_attempt=null(),
            claimed_by=null(),
            # Only a forced run comes to an entry that has one of these, and the upload's history keeps it.
            outcome=func.coalesce(_kept_outcome(), bindparam("its_outcome")),
            image_id=bindparam("its_image_id"),
            attempt=bindparam("its_attempt"),
            stage=null(),
            reason=null(),
            message=null(),
            notes=bindparam("its_notes"),
            conflict_sha256=null(),
            judged_by=null(),
            bytes_in=bindparam("its_bytes_in"),
            bytes_out=bindparam("its_bytes_out"),
            finished_at=func.now(),
        )
        .returning(
            EntryRow.upload_id,
            EntryRow.number,
            EntryRow.attempt,
            EntryRow.file_name,
            EntryRow.image_id,
            EntryRow.bytes_in,
            EntryRow.bytes_out,
            EntryRow.finished_at,
        )
        .cte("written")
    )
    gallery_id = bindparam("its_gallery_id", type_=String).label("gallery_id")
    outcome = bindparam("its_outcome", type_=String).label("outcome")
    timings = [parameter.label(name) for name, parameter in timing_parameters().items()]
    return str(record(select(*written.c, gallery_id, outcome, *timings)).compile(dialect=PGDialect_psycopg()))  # type: ignore[no-untyped-call]


def write_outcomes(
    session: Session, attempt: Attempt, settled: Sequence[Settlement], *, planning: bool = False
) -> None:
    """Give entries a good outcome, take back an earlier attempt's complaint, and write it down for the history.

    An entry that a forced run redoes keeps the good outcome that it had; the attempt's own row has the new one.

    The caller holds the attempt; its owner has claimed the entries, unless it is `planning`. Raises `ClaimLost`.
    """
    # The connection, not the session: one statement for many rows, pipelined by psycopg.
    written = session.connection().exec_driver_sql(
        _settling(),
        [
            {
                "its_upload_id": attempt.upload_id,
                "its_gallery_id": attempt.gallery_id,
                "its_owner": None if planning else attempt.owner,
                "its_attempt": attempt.number,
                "its_number": item.number,
                "its_outcome": item.outcome,
                "its_image_id": item.image_id,
                "its_bytes_in": bytes_in(item.timing),
                "its_bytes_out": item.bytes_out,
                **timing_values(item.timing, item.known),
            }
            for item in settled
        ],
    )
    if written.rowcount != len(settled):
        raise ClaimLost(f"upload {attempt.upload_id}: another process has taken over what was about to be written")


def record_problems(
    session: Session,
    attempt: Attempt,
    judged_by: str,
    problems: Sequence[EntryProblem],
    timings: Mapping[int, Timing] = NO_TIMINGS,
    *,
    planning: bool = False,
) -> None:
    """Write `rejected` and `failed`; an entry that has a good outcome keeps it. Raises `StaleAttempt`.

    Only of entries that the owner has claimed, unless it is `planning`.
    """
    if not problems:
        return
    lock_attempt(session, attempt)
    if not planning:
        mine = lay_down(session, attempt, [problem.number for problem in problems])
        problems = [problem for problem in problems if problem.number in mine]
        if not problems:
            return
    session.connection().execute(
        update(EntryRow)
        .where(
            EntryRow.upload_id == attempt.upload_id,
            EntryRow.number == bindparam("entry_number"),
            # Not `in_`: SQLAlchemy writes such a list anew for each row, and refuses many rows at once.
            or_(EntryRow.outcome.is_(None), EntryRow.outcome == "failed", EntryRow.outcome == "rejected"),
        )
        .values(
            outcome=bindparam("new_outcome"),
            attempt=attempt.number,
            stage=bindparam("its_stage"),
            reason=bindparam("its_reason"),
            message=bindparam("its_message"),
            notes=[],
            conflict_sha256=bindparam("its_conflict"),
            judged_by=bindparam("its_judge"),
            bytes_in=bindparam("its_bytes_in"),
            bytes_out=0,
            finished_at=func.now(),
        ),
        [
            {
                "entry_number": problem.number,
                "new_outcome": problem.outcome,
                "its_stage": problem.stage,
                "its_reason": problem.reason,
                "its_message": problem.message[:MESSAGE_LENGTH],
                "its_conflict": problem.conflict,
                "its_judge": judged_by if problem.outcome == "rejected" else None,
                "its_bytes_in": bytes_in(timings.get(problem.number)),
            }
            for problem in problems
        ],
    )
    record_complaints(session, attempt, problems, timings, MESSAGE_LENGTH)
