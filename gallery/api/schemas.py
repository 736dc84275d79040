"""Bodies of requests and answers. Names are checked by `gallery.names`, in the routes."""

from __future__ import annotations

import math
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gallery.models import UploadState

MAX_FILES = 10_000  # a gallery of 1,361 seven times over; bounds one request's work and answer
ContentType = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}$")]
# The most that S3 takes in one POST, https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
MAX_POST_BYTES = 5 * 1024**3
MAX_METADATA_DEPTH = 32


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what Python reads as JSON and PostgreSQL does not take: NaN, infinity, NUL, lone surrogates."""
    _check_storable(value, MAX_METADATA_DEPTH)
    return value


def _check_storable(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= character <= "\udfff" for character in value)):
        raise ValueError("must be valid Unicode without NUL characters")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must have only finite numbers")
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        _check_storable(part, depth - 1)


Metadata = Annotated[dict[str, Any], AfterValidator(_storable)]


class _Body(BaseModel):
    # A misspelt field is an error, not a silence.
    model_config = ConfigDict(extra="forbid")


class FileToPresign(_Body):
    file_name: str = Field(examples=["card1/IMG_0001.JPG"])
    size: int = Field(ge=0, le=MAX_POST_BYTES, description="bytes")
    content_type: ContentType = "application/octet-stream"
    metadata: Metadata = Field(default_factory=dict)


class PresignRequest(_Body):
    files: list[FileToPresign] = Field(min_length=1, max_length=MAX_FILES)
    metadata: Metadata = Field(default_factory=dict)


class PresignedFile(BaseModel):
    """What a browser needs to send one file: a form POST with `fields`, the file last."""

    file_name: str
    key: str
    method: str
    url: str
    fields: dict[str, str]
    headers: dict[str, str]


class PresignAnswer(BaseModel):
    upload_id: str
    files: list[PresignedFile]
    expires_at: str


class AcceptedAnswer(BaseModel):
    upload_id: str
    state: UploadState
    status_url: str


class StagedFile(_Body):
    key: str = Field(min_length=1, max_length=1024)
    file_name: str


class WebhookBody(_Body):
    gallery_id: str
    upload_id: str
    files: list[StagedFile] = Field(min_length=1, max_length=MAX_FILES)
    metadata: Metadata = Field(default_factory=dict)


class ProblemItem(BaseModel):
    file_name: str
    outcome: str
    stage: str
    reason: str
    message: str


class StatusAnswer(BaseModel):
    upload_id: str
    gallery_id: str
    state: UploadState
    flow_run_id: UUID | None
    flow_run_url: str | None
    image_count: int
    counts: dict[str, int]
    problems: list[ProblemItem]
    metadata: dict[str, Any]
