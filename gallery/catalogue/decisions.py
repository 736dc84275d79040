"""Decisions about entries that were refused since they would have replaced something else under their name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gallery import names
from gallery.catalogue.claims import has_live_owner
from gallery.catalogue.locks import share_order
from gallery.catalogue.tables import ACCEPTED_SEQ, EntryRow, ImageRow, UploadRow
from gallery.catalogue.verdict import ABSENT
from gallery.errors import ConflictError, NotFoundError
from gallery.models import Choice

LEFT_OUT = "it was decided to leave this file out and to keep what the gallery has under its name"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about the file that was sent under this name; `new_name` is the one that it is kept under."""

    file_name: str
    choice: Choice
    new_name: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """All that was decided, now or by the same call before; `to_do`: whether something of it is to be worked on now."""

    decisions: tuple[Decision, ...]
    to_do: bool


def count_undecided(session: Session, upload_id: str) -> int:
    """How many entries of an upload wait for a decision."""
    waiting = select(func.count()).where(
        EntryRow.upload_id == upload_id, EntryRow.outcome == "rejected", EntryRow.reason == "would_replace"
    )
    return session.scalar(waiting) or 0


def decide(session: Session, upload: UploadRow, given: Mapping[str, Choice], rest: Choice | None) -> Decided:
    """Decide about entries of an upload, whose row the caller has locked: by name, and all others that wait by `rest`.

    What is replaced or kept under a new name is pending again, with a place of its own in the order of uploads: a
    decision is later than all that was accepted before it. The same call again decides nothing new.

    Raises `NotFoundError` for a name that the upload does not have; `ConflictError` for an entry that waits for no
    decision, and while a process works on the upload.
    """
    query = select(EntryRow).where(EntryRow.upload_id == upload.upload_id).order_by(EntryRow.number)
    entries = session.scalars(query, execution_options={"populate_existing": True}).all()
    chosen = _by_number(upload, entries, given)
    waiting: list[tuple[EntryRow, Choice]] = []
    for entry in entries:
        if entry.outcome == "rejected" and entry.reason == "would_replace":
            if choice := chosen.get(entry.number, rest):
                chosen[entry.number] = choice
                waiting.append((entry, choice))
        elif entry.number in chosen and chosen[entry.number] != entry.decision:
            raise ConflictError(f"{entry.file_name[:80]!r} waits for no decision: it is {entry.outcome or 'pending'}")
    if waiting:
        if has_live_owner(session, upload.upload_id, upload.attempt):
            raise ConflictError(f"upload {upload.upload_id} is {upload.state}: decide once its run has ended")
        _write(session, upload, entries, waiting)
    made = tuple(
        Decision(entry.sent_as or entry.file_name, choice, entry.file_name if entry.sent_as else None)
        for entry in entries
        if (choice := chosen.get(entry.number))
    )
    return Decided(made, any(choice != "skip" for _, choice in waiting))


def _by_number(upload: UploadRow, entries: Sequence[EntryRow], given: Mapping[str, Choice]) -> dict[int, Choice]:
    # By the name that it was sent under, too: the same call again does not know another.
    numbers = {entry.file_name: entry.number for entry in entries}
    numbers |= {entry.sent_as: entry.number for entry in entries if entry.sent_as}
    for name in given:
        if name not in numbers:
            raise NotFoundError(f"upload {upload.upload_id} has no file {name[:80]!r}")
    return {numbers[name]: choice for name, choice in given.items()}


def _write(
    session: Session, upload: UploadRow, entries: Sequence[EntryRow], waiting: Sequence[tuple[EntryRow, Choice]]
) -> None:
    share_order(session, upload.gallery_id)
    seq = session.scalar(select(ACCEPTED_SEQ.next_value()))
    shown: set[str] = set()
    if any(choice == "keep_both" for _, choice in waiting):
        images = select(ImageRow.file_name).where(ImageRow.gallery_id == upload.gallery_id)
        shown = set(session.scalars(images.where(ImageRow.current_version_id.is_not(None))))
    taken = shown | {entry.file_name for entry in entries}
    for entry, choice in waiting:
        entry.decision = choice
        if choice == "skip":
            entry.reason, entry.message = "left_out", LEFT_OUT
            continue
        entry.expect = entry.conflict_sha256 if choice == "replace" else ABSENT
        # The other image may be gone meanwhile: then its name is free.
        if choice == "keep_both" and entry.file_name in shown:
            entry.sent_as = entry.sent_as or entry.file_name
            entry.file_name = _first_free(entry.sent_as, taken)
            taken.add(entry.file_name)
        entry.decided_seq = seq
        entry.outcome = entry.stage = entry.reason = entry.message = entry.judged_by = entry.conflict_sha256 = None
    session.flush()


def _first_free(file_name: str, taken: Collection[str]) -> str:
    return next(name for number in count(2) if (name := names.numbered(file_name, number)) not in taken)
