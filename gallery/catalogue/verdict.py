"""What becomes of an entry whose image is locked: by what its sender expects, the order of uploads, and content."""

from __future__ import annotations

from typing import Literal

from gallery.catalogue.tables import EntryRow, ImageRow, VersionRow
from gallery.errors import WouldReplace
from gallery.models import Attempt, Outcome

# Outcomes that a later attempt leaves as they are.
KEPT_OUTCOMES: tuple[Outcome, ...] = ("saved", "replaced", "unchanged", "superseded")
ABSENT = "absent"
"""What a sender expects who adds an image: none of its name."""


def seq_of(entry: EntryRow, attempt: Attempt) -> int:
    """An entry's place in the order of uploads: its upload's, unless a later decision has given it one of its own."""
    return entry.decided_seq or attempt.accepted_seq


def _is_guarded(entry: EntryRow) -> bool:
    """Whether the gallery must hold what the sender expects; once an entry has been taken, order alone counts."""
    return entry.expect is not None and entry.outcome not in KEPT_OUTCOMES


def judge(
    attempt: Attempt,
    entry: EntryRow,
    image: ImageRow,
    current: VersionRow | None,
    recipe_id: str,
    *,
    is_same: bool,
) -> Literal["saved", "replaced", "unchanged", "superseded"]:
    """What becomes of `entry`, whose image's row is locked and has this current version, of the same content or not.

    Raises `WouldReplace` where it is not what the sender expects: that guards a version of other content, also one that
    a later upload has made.
    """
    is_done = is_same and current is not None and current.recipe_id == recipe_id and not attempt.force
    if current is not None and _is_guarded(entry) and not _is_expected(entry, current):
        if not is_same:
            raise WouldReplace(current.sha256)
        if is_done:
            return "unchanged"
    if image.last_seq > seq_of(entry, attempt):
        return "superseded"
    if current is None:
        return "saved"
    return "unchanged" if is_done else "replaced"


def is_overtaken(attempt: Attempt, entry: EntryRow, image: ImageRow, current: VersionRow | None) -> bool:
    """Whether an entry is `superseded`, whatever its content."""
    is_open = current is None or not _is_guarded(entry) or _is_expected(entry, current)
    return is_open and image.last_seq > seq_of(entry, attempt)


def _is_expected(entry: EntryRow, current: VersionRow) -> bool:
    is_its_own = (current.upload_id, current.entry_number) == (entry.upload_id, entry.number)
    return is_its_own or current.sha256 == entry.expect
