"""Claims: which process of an attempt works on which entry.

A plan marks the entries that its attempt has to do. Each process of the attempt, an `owner`, claims some of them, and
what it writes for one is refused once another has taken it over: that may happen when the owner's lease has run out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, null, or_, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.locks import claimed, lock_attempt
from gallery.catalogue.tables import WRITE_NUMBERS, EntryRow, OwnerRow
from gallery.errors import StaleAttempt
from gallery.models import Attempt, Entry

# How long a process that shows no progress keeps what it has claimed. Progress is an image that is through a stage.
LEASE = timedelta(seconds=60)

IsGone = Callable[[str, int], bool]
"""Whether the process with this id on this host is known to have ended."""


def join(session: Session, attempt: Attempt, *, flow_run_id: UUID | None, host: str, process_id: int) -> None:
    """Note the owner of `attempt` as a process that works on it."""
    session.execute(
        insert(OwnerRow).values(
            owner_id=attempt.owner,
            upload_id=attempt.upload_id,
            attempt=attempt.number,
            flow_run_id=flow_run_id,
            host=host,
            process_id=process_id,
            lease_until=_lease_end(),
        )
    )


def leave(session: Session, owner: UUID) -> None:
    """Give up all that a process has claimed: it ends."""
    session.execute(delete(OwnerRow).where(OwnerRow.owner_id == owner))


def renew_lease(session: Session, attempt: Attempt) -> None:
    """Move the end of the owner's lease on. Raises `StaleAttempt` where the attempt has ended."""
    mine = update(OwnerRow).where(OwnerRow.owner_id == attempt.owner)
    if session.scalar(mine.values(lease_until=_lease_end()).returning(OwnerRow.owner_id)) is None:
        raise StaleAttempt(attempt.upload_id, attempt.number)


def plan_entries(session: Session, attempt: Attempt, entries: Collection[Entry]) -> None:
    """Mark entries as what the attempt has to do, with what it reads for each. Nobody has claimed them."""
    if entries:
        session.execute(
            update(EntryRow),
            [
                {
                    "upload_id": attempt.upload_id,
                    "number": entry.number,
                    "etag": entry.etag,
                    "size": entry.size,
                    "library_key": entry.library_key,
                    "todo_attempt": attempt.number,
                    "claimed_by": None,
                }
                for entry in entries
            ],
        )


def claim(session: Session, attempt: Attempt, limit: int) -> list[Entry]:
    """Claim the next entries that nobody works on, at most `limit`, and renew the owner's lease.

    Also those of a process that has left, or whose lease has run out. Processes that claim at the same time get
    different ones. Raises `StaleAttempt`.
    """
    lock_attempt(session, attempt)
    renew_lease(session, attempt)
    has_lapsed = or_(OwnerRow.owner_id.is_(None), OwnerRow.lease_until < func.clock_timestamp())
    free = (
        select(EntryRow.number)
        .outerjoin(OwnerRow, OwnerRow.owner_id == EntryRow.claimed_by)
        .where(EntryRow.upload_id == attempt.upload_id, _is_to_do(attempt), has_lapsed)
        .order_by(EntryRow.number)
        .limit(limit)
    )
    chosen = claimed(free, of=EntryRow).cte("chosen")
    taken = (
        update(EntryRow)
        .where(EntryRow.upload_id == attempt.upload_id, EntryRow.number == chosen.c.number)
        .values(claimed_by=attempt.owner, write_number=WRITE_NUMBERS.next_value())
        .returning(
            EntryRow.number,
            EntryRow.file_name,
            EntryRow.staged_key,
            EntryRow.etag,
            EntryRow.size,
            EntryRow.write_number,
            EntryRow.library_key,
        )
    )
    entries = [Entry(*row) for row in session.execute(taken)]  # type: ignore[arg-type]
    return sorted(entries, key=lambda entry: entry.number)


def hand_back(session: Session, attempt: Attempt, numbers: Sequence[int]) -> None:
    """Let these entries, which the owner has claimed and not done, be claimed again."""
    session.execute(update(EntryRow).where(_is_mine(attempt, numbers)).values(claimed_by=null()))


def lay_down(session: Session, attempt: Attempt, numbers: Sequence[int]) -> set[int]:
    """Take entries off what there is to do; returns those that were the owner's to decide about."""
    mine = update(EntryRow).where(_is_mine(attempt, numbers)).values(claimed_by=null(), todo_attempt=null())
    return set(session.scalars(mine.returning(EntryRow.number)))


def count_unfinished(session: Session, attempt: Attempt) -> int:
    """How many entries the attempt still has to do, whoever has claimed them."""
    mine = EntryRow.upload_id == attempt.upload_id
    return session.scalar(select(func.count()).select_from(EntryRow).where(mine, _is_to_do(attempt))) or 0


def has_owner(session: Session, upload_id: str, attempt: int) -> bool:
    """Whether a process has joined this attempt and has not left, alive or not."""
    mine = select(OwnerRow.owner_id).where(OwnerRow.upload_id == upload_id, OwnerRow.attempt == attempt)
    return bool(session.scalar(select(mine.exists())))


def has_live_owner(session: Session, upload_id: str, attempt: int, is_gone: IsGone | None = None) -> bool:
    """Whether a process works on this attempt, as far as the catalogue, and `is_gone`, can tell."""
    rows = session.scalars(
        select(OwnerRow).where(
            OwnerRow.upload_id == upload_id,
            OwnerRow.attempt == attempt,
            OwnerRow.lease_until > func.clock_timestamp(),
        )
    )
    return any(is_gone is None or not is_gone(row.host, row.process_id) for row in rows)


def end_claims(session: Session, upload_id: str) -> None:
    """Forget who works on an upload, and what there was to do: its attempt has ended, or a new one begins."""
    session.execute(delete(OwnerRow).where(OwnerRow.upload_id == upload_id))
    left = update(EntryRow).where(EntryRow.upload_id == upload_id, EntryRow.todo_attempt.is_not(None))
    session.execute(left.values(todo_attempt=null(), claimed_by=null()))


def is_owned() -> ColumnElement[bool]:
    """SQL for: the entry is claimed by the owner bound as `its_owner`, or that is null, for the plan itself."""
    owner = bindparam("its_owner", type_=EntryRow.claimed_by.type)
    return or_(owner.is_(None), EntryRow.claimed_by == owner)


def _lease_end() -> ColumnElement[object]:
    return func.clock_timestamp() + LEASE


def _is_to_do(attempt: Attempt) -> ColumnElement[bool]:
    return EntryRow.todo_attempt == attempt.number


def _is_mine(attempt: Attempt, numbers: Sequence[int]) -> ColumnElement[bool]:
    return (
        (EntryRow.upload_id == attempt.upload_id)
        & EntryRow.number.in_(numbers)
        & _is_to_do(attempt)
        & (EntryRow.claimed_by == attempt.owner)
    )
