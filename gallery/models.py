"""The frozen values that pass between the stages, and the words for what became of things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NewType
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from gallery.errors import DeletionRefused, Reason, TransientError

ObjectKey = NewType("ObjectKey", str)
"""The key of an object. Only `gallery.storage.keys` makes them; a store also gives those of what it lists."""

Stage = Literal["download", "process", "save", "cleanup"]
STAGES: tuple[Stage, ...] = ("download", "process", "save", "cleanup")
Outcome = Literal["saved", "replaced", "unchanged", "superseded", "rejected", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")
# What the command line counts as success: the gallery shows this content.
GOOD_OUTCOMES: frozenset[Outcome] = frozenset({"saved", "replaced", "unchanged"})

UploadState = Literal[
    "open",
    "accepted",
    "running",
    "completed",
    "completed_with_rejects",
    "failed",
    "cancelled",
    "crashed",
    "expired",
]
RunState = Literal["completed", "completed_with_rejects", "failed"]
"""How a run may end by its own report."""
FINAL_STATES: frozenset[UploadState] = frozenset(
    {"completed", "completed_with_rejects", "failed", "cancelled", "crashed", "expired"}
)
WaitsFor = Literal["restart", "prefect", "paused", "worker", "place", "start"]
"""What an accepted upload waits for."""
Audience = Literal["application", "ops"]
Would = Literal["add", "replace", "leave_unchanged", "unknown"]
"""What sending a file would do."""
Choice = Literal["replace", "keep_both", "skip"]
"""What a person decides about a file that would replace another image of its name."""
Trigger = Literal["api", "webhook", "s3_event", "ui", "cli", "schedule"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an upload as the plan pinned it: `etag` and `size` (bytes) are those of the listing.

    `write_number` was drawn when the entry was claimed, and stands in the keys of all that is written for it: 0 before.
    `library_key` is the original that a forced run reads where the staged file is gone; `etag` and `size` are those of
    the staged file all the same.
    """

    number: int
    file_name: str
    staged_key: ObjectKey
    etag: str
    size: int
    write_number: int = 0
    library_key: ObjectKey | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of an upload's flow run, which alone may write outcomes while it is the newest one.

    `accepted_seq` orders the upload among all. `force` redoes what has an outcome from before this run;
    `first_of_run` is the attempt that the run began with, so that its retries do not redo it again. `owner` is the
    process that works here, by a random id: what it claims is its own to write.
    """

    upload_id: str
    gallery_id: str
    number: int
    accepted_seq: int
    image_count: int
    force: bool = False
    first_of_run: int = 0
    owner: UUID = field(default_factory=uuid4)

    def keeps(self, written_by: int | None) -> bool:
        """Whether a good outcome that attempt `written_by` wrote is to be left alone."""
        return not self.force or (written_by or 0) >= self.first_of_run


# Results of tasks take weak references: Prefect tells by one whether what has a result's address is still that result.
@dataclass(frozen=True, slots=True, weakref_slot=True)
class DownloadedImage:
    """A staged file on this machine's disk. `path` is made from the entry's number, never from its name."""

    entry: Entry
    path: Path
    sha256: str


class Rendition(BaseModel):
    """One style's file in the library bucket; sizes in pixels and bytes, `etag` as the store answered."""

    model_config = ConfigDict(frozen=True)

    style: str
    key: ObjectKey
    width: int
    height: int
    bytes: int
    content_type: str
    etag: str


class ProcessedImage(BaseModel):
    """What process delivers, and what its cache keeps: keys and facts, never a path.

    `width` and `height` are the source's in pixels, after its orientation was applied; `extension` is the
    one that belongs to the bytes (`.jpg`), whatever the file was called.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    recipe_id: str
    width: int
    height: int
    source_format: str
    extension: str
    metadata: Mapping[str, Any]
    renditions: tuple[Rendition, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object that is due for deletion, with its outbox row if it has one. `etag`: only while it is still this."""

    outbox_id: int | None
    bucket: str
    key: ObjectKey
    etag: str | None = None


@dataclass(slots=True)
class Deleted:
    """What became of deletions.

    `done` are gone; `refused` are those that the store refuses for good, each with its code; `error` is what stopped
    the rest, of which another try may be worth while.
    """

    done: list[Deletion] = field(default_factory=list)
    refused: dict[Deletion, str] = field(default_factory=dict)
    error: TransientError | None = None

    def note(self, deletions: Sequence[Deletion], refusal: str | None) -> None:
        """Note these as refused, or as done where there is no refusal."""
        if refusal is None:
            self.done += deletions
        else:
            self.refused |= dict.fromkeys(deletions, refusal)

    def raise_left(self) -> None:
        """Raise why something is left: `TransientError`, or `DeletionRefused`; nothing where all is gone."""
        if self.error is not None:
            raise self.error
        for deletion, code in self.refused.items():
            raise DeletionRefused(deletion.key, code, len(self.refused))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SaveReceipt:
    """What the save's transaction committed for one entry, and what is now due for deletion."""

    number: int
    file_name: str
    outcome: Outcome
    deletions: tuple[Deletion, ...]


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """An entry that ended `rejected` or `failed`: at which stage, why, and in words for a person."""

    number: int
    file_name: str
    outcome: Literal["rejected", "failed"]
    stage: Stage
    reason: Reason
    message: str
    conflict: str | None = None
    """The SHA-256 of the version that it would have replaced (`would_replace`)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What outcomes are decided by: the recipe, the largest file in bytes, and the fingerprint of all limits."""

    recipe_id: str
    judged_by: str
    max_file_bytes: int
