"""Outcomes that need no save: known content, overtaken uploads, rejected and failed entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.attempts import hold
from gallery.catalogue.tables import EntryRow, ImageRow, VersionRow
from gallery.models import Attempt, Entry, Outcome, Problem

MESSAGE_LENGTH = 500  # characters kept of a problem's message


def settle_known(
    session: Session,
    attempt: Attempt,
    recipe_id: str,
    entries: Sequence[Entry],
    sha256: Mapping[int, str] | None = None,
) -> dict[int, Outcome]:
    """Settle entries as `superseded` (a later upload got there first) or `unchanged` (same as the current version).

    Content is the same where the entry's SHA-256 (by number, once downloaded) or its ETag and size are equal;
    the recipe must be equal too. Returns the outcome of each entry it settled; the rest is still to do.
    With `force`, nothing is `unchanged`.
    """
    if not entries:
        return {}
    hold(session, attempt)
    numbers = [entry.number for entry in entries]
    here = and_(ImageRow.gallery_id == attempt.gallery_id, ImageRow.file_name == EntryRow.file_name)
    mine = and_(EntryRow.upload_id == attempt.upload_id, EntryRow.number.in_(numbers))
    # Lock first and read after: a row that was waited for may have another current version by then. In the
    # order of ids, so that two uploads of one gallery cannot wait for each other.
    session.execute(
        select(ImageRow.image_id)
        .join(EntryRow, here)
        .where(mine)
        .order_by(ImageRow.image_id)
        .with_for_update(of=ImageRow)
    ).all()
    rows = session.execute(
        select(EntryRow.number, ImageRow, VersionRow)
        .join(ImageRow, here)
        .outerjoin(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
        .where(mine)
        .execution_options(populate_existing=True)
    )

    by_number = {entry.number: entry for entry in entries}
    outcomes: list[tuple[int, Outcome, UUID]] = []
    unchanged: list[UUID] = []
    for number, image, current in rows:
        known_sha256 = (sha256 or {}).get(number)
        if image.last_seq > attempt.accepted_seq:
            outcomes.append((number, "superseded", image.image_id))
        elif (
            current is not None
            and not attempt.force
            and current.recipe_id == recipe_id
            and _same_content(by_number[number], known_sha256, current)
        ):
            outcomes.append((number, "unchanged", image.image_id))
            unchanged.append(image.image_id)
    if unchanged:
        session.execute(update(ImageRow).where(ImageRow.image_id.in_(unchanged)).values(last_seq=attempt.accepted_seq))
    if outcomes:
        write_outcomes(session, attempt, outcomes)
    return {number: outcome for number, outcome, _ in outcomes}


def _same_content(entry: Entry, sha256: str | None, current: VersionRow) -> bool:
    if sha256 is not None:
        return sha256 == current.sha256
    return (entry.etag, entry.size) == (current.etag, current.size)


def write_outcomes(session: Session, attempt: Attempt, settled: Sequence[tuple[int, Outcome, UUID]]) -> None:
    """Give entries (number, outcome, image_id) a good outcome, and take back an earlier attempt's complaint.

    The caller holds the attempt.
    """
    statement = (
        update(EntryRow)
        .where(EntryRow.upload_id == attempt.upload_id, EntryRow.number == bindparam("entry_number"))
        .values(
            outcome=bindparam("new_outcome"),
            image_id=bindparam("its_image_id"),
            attempt=attempt.number,
            stage=None,
            reason=None,
            message=None,
            judged_by=None,
            finished_at=func.now(),
        )
    )
    # The connection, not the session: one statement for many rows, pipelined by psycopg.
    session.connection().execute(
        statement,
        [
            {"entry_number": number, "new_outcome": outcome, "its_image_id": image_id}
            for number, outcome, image_id in settled
        ],
    )


def record_problems(session: Session, attempt: Attempt, judged_by: str, problems: Sequence[Problem]) -> None:
    """Write `rejected` and `failed`; an entry that has a good outcome keeps it. Raises `StaleAttempt`."""
    if not problems:
        return
    hold(session, attempt)
    for problem in problems:
        session.execute(
            update(EntryRow)
            .where(
                EntryRow.upload_id == attempt.upload_id,
                EntryRow.number == problem.number,
                func.coalesce(EntryRow.outcome, "failed").in_(("failed", "rejected")),
            )
            .values(
                outcome=problem.outcome,
                attempt=attempt.number,
                stage=problem.stage,
                reason=problem.reason,
                message=problem.message[:MESSAGE_LENGTH],
                judged_by=judged_by if problem.outcome == "rejected" else None,
                finished_at=func.now(),
            )
        )
