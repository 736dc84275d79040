"""What the client and the gallery API say to each other, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gallery.models import FINAL_STATES, UploadState


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

    @property
    def is_final(self) -> bool:
        """True once nothing more happens without a retry."""
        return self.state in FINAL_STATES
