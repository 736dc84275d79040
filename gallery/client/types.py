"""What the client and the gallery API say to each other, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from gallery.amounts import count_in_words
from gallery.models import FINAL_STATES, Choice, UploadState, WaitsFor, Would

WAITING: Mapping[WaitsFor, str] = {
    "restart": "waiting to be tried again: its last run could not begin",
    "prefect": "waiting for Prefect's server",
    "paused": "waiting: the work pool, its queue or the run is paused in Prefect",
    "worker": "waiting for a worker: none is responding",
    "place": "waiting for a place in the queue",
    "start": "about to start",
}


@dataclass(frozen=True, slots=True)
class ReportedLimits:
    """Which files the API refuses: above `max_file_bytes`, or with one of these extensions (lower case, no dot).

    One request takes at most `max_files` files.
    """

    max_file_bytes: int
    max_files: int
    unsupported_extensions: frozenset[str]
    unsupported_kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileInQuestion:
    """A file to compare with the gallery; `size` in bytes, `sha256` in lower-case hex."""

    file_name: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedComparison:
    """What sending one file would do.

    `sha256` and `image_id` are those of the current version with this name. `same_content_as` names other images with
    exactly this content, at most 5. `hash_wanted`: ask again with the file's SHA-256, for a better answer.
    `under_way_as` names files of uploads under way that may be this one, `same_content_under_way` images with this
    content that they may replace; their end tells more.
    """

    file_name: str
    would: Would
    sha256: str | None = None
    image_id: UUID | None = None
    same_content_as: tuple[str, ...] = ()
    recipe: Literal["current", "former"] | None = None
    hash_wanted: bool = False
    under_way_as: tuple[str, ...] = ()
    same_content_under_way: tuple[str, ...] = ()

    @property
    def is_in_doubt(self) -> bool:
        """Whether the end of an upload under way may change this."""
        return bool(self.under_way_as or self.same_content_under_way)


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """A version of an image that the gallery has or had; `size` in bytes."""

    size: int
    created_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """A file that an upload announces; `size` in bytes.

    `expect`: "absent", or the SHA-256 of the only version that it may replace; `None`: it replaces any.
    """

    file_name: str
    size: int
    content_type: str
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedFault:
    """What the API refuses about the file at `index` of a request (from 0)."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PresignedRequest:
    """The request that stores one file: a multipart POST with `fields`, or a PUT with `headers`."""

    file_name: str
    key: str
    url: str
    method: Literal["POST", "PUT"] = "POST"
    fields: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PresignedUpload:
    """An open upload and the requests that store its files, good until `expires_at` (ISO 8601)."""

    upload_id: str
    files: tuple[PresignedRequest, ...]
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """An entry that ended `rejected` or `failed`, as the API reports it."""

    file_name: str
    outcome: str
    stage: str | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedDecision:
    """What was decided about an entry, and the name it is kept under, where that is another."""

    file_name: str
    choice: Choice
    new_name: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedWaiting:
    """What an accepted upload waits for, and how many uploads are before it."""

    waits_for: Annotated[WaitsFor, Field(alias="for")]
    uploads_before: int

    def in_words(self) -> str:
        """`waiting for a place in the queue, 2 uploads before it`."""
        before = count_in_words(self.uploads_before, "upload")
        return WAITING[self.waits_for] + (f", {before} before it" if self.uploads_before else "")


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """How far an upload is. `counts` has a number per outcome and `pending`; `problems` the first 100.

    `to_decide`: entries that were rejected because they would replace what was not expected. `notes`: how many entries
    have each note.
    """

    upload_id: str
    gallery_id: str
    state: UploadState
    image_count: int
    counts: Mapping[str, int]
    problems: tuple[ReportedProblem, ...] = ()
    flow_run_id: str | None = None
    flow_run_url: str | None = None
    waiting: ReportedWaiting | None = None
    to_decide: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """True once nothing more happens without a retry."""
        return self.state in FINAL_STATES
