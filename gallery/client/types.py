"""What the client and the gallery API say to each other, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gallery.amounts import count_in_words
from gallery.models import FINAL_STATES, UploadState, WaitsFor

WAITING: Mapping[WaitsFor, str] = {
    "restart": "waiting to be tried again: its last run could not begin",
    "prefect": "waiting for Prefect's server",
    "paused": "waiting: the work pool, its queue or the run is paused in Prefect",
    "worker": "waiting for a worker: none is responding",
    "place": "waiting for a place in the queue",
    "start": "about to start",
}


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """A file that an upload announces; `size` in bytes."""

    file_name: str
    size: int
    content_type: str


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
    """How far an upload is. `counts` has a number per outcome and `pending`; `problems` the first 100."""

    upload_id: str
    gallery_id: str
    state: UploadState
    image_count: int
    counts: Mapping[str, int]
    problems: tuple[ReportedProblem, ...] = ()
    flow_run_id: str | None = None
    flow_run_url: str | None = None
    waiting: ReportedWaiting | None = None

    @property
    def is_final(self) -> bool:
        """True once nothing more happens without a retry."""
        return self.state in FINAL_STATES
