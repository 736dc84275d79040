"""Bodies of requests and answers. Names are checked by `gallery.names`, in the routes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gallery.models import UploadState

MAX_FILES = 10_000  # a gallery of 1,361 seven times over; bounds one request's work and answer
ContentType = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}$")]


class _Body(BaseModel):
    # A misspelt field is an error, not a silence.
    model_config = ConfigDict(extra="forbid")


class FileToPresign(_Body):
    file_name: str = Field(examples=["card1/IMG_0001.JPG"])
    size: int = Field(ge=0, description="bytes")
    content_type: ContentType = "application/octet-stream"
    metadata: dict[str, Any] = Field(default_factory=dict)


class PresignRequest(_Body):
    files: list[FileToPresign] = Field(min_length=1, max_length=MAX_FILES)
    metadata: dict[str, Any] = Field(default_factory=dict)


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
    metadata: dict[str, Any] = Field(default_factory=dict)


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
