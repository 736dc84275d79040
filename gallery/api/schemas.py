"""Bodies of requests and answers. Names are checked by `gallery.names`, wherever they stand."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator

from gallery import names
from gallery.api.declared import kept_if_invalid
from gallery.api.links import DEFAULT_LIFE, LONGEST_LIFE
from gallery.errors import NotFoundError, RefusedRequest
from gallery.imaging.formats import UnsupportedKind
from gallery.models import Choice, Outcome, Stage, UploadState, WaitsFor, Would

MAX_FILES = 10_000  # a gallery of 1,361 seven times over; bounds one request's work and answer
MAX_METADATA_BYTES = 4096  # as JSON; it is given back with every status, page of images and callback
CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
ANY_TYPE = "application/octet-stream"
MAX_METADATA_DEPTH = 32


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what Python reads as JSON and PostgreSQL does not take: NaN, infinity, NUL, lone surrogates."""
    _check_storable(value, MAX_METADATA_DEPTH)
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must have at most {MAX_METADATA_BYTES:,} bytes as JSON, not {size:,}")
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


def _normal_type(claimed: object) -> str:
    """`image/jpeg` of `Image/JPEG; charset=binary`. It is a claim: nothing depends on it, so nothing is refused."""
    bare = claimed.partition(";")[0].strip().lower() if isinstance(claimed, str) else ""
    return bare if CONTENT_TYPE.fullmatch(bare) else ANY_TYPE


ContentType = Annotated[
    str | None,
    BeforeValidator(_normal_type),
    Field(description="what the sender takes it for; parameters, empty and odd ones are normalised"),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Expect = Annotated[
    str | None,
    Field(
        pattern=r"^(absent|[0-9a-f]{64})$",
        description="what the gallery must have under this name when the file is saved: `absent`, or the SHA-256 of "
        "the version that may be replaced. Otherwise the entry is `rejected` with reason `would_replace`. Without it, "
        "the later upload replaces",
    ),
]


def possible_upload_id(upload_id: str) -> str:
    """The `upload_id` of a path; what breaks its rules cannot be known."""
    try:
        return names.check_upload_id(upload_id)
    except RefusedRequest:
        raise NotFoundError(f"upload {upload_id[:80]!r} is not known") from None


# The checks raise errors with codes of their own; the patterns are what OpenAPI says of them.
GalleryId = Annotated[
    str,
    Path(json_schema_extra={"pattern": f"^{names.GALLERY_ID.pattern}$"}),
    AfterValidator(names.check_gallery_id),
]
UploadId = Annotated[
    str, Path(json_schema_extra={"pattern": f"^{names.UPLOAD_ID.pattern}$"}), AfterValidator(possible_upload_id)
]


Cursor = Annotated[str | None, Query(max_length=2048, description="`next_cursor` of the page before")]


# Of a list of files: each one that is not valid is told of, beside those that are refused for other reasons.
KEPT = WrapValidator(kept_if_invalid)


class Problem(BaseModel):
    """Problem details, RFC 9457. `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None


class _Body(BaseModel):
    # A misspelt field is an error, not a silence.
    model_config = ConfigDict(extra="forbid")


Size = Annotated[int, Field(ge=0, le=2**63 - 1, description="bytes")]


class FileToPresign(_Body):
    file_name: str = Field(examples=["card1/IMG_0001.JPG"])
    size: Size
    content_type: ContentType = ANY_TYPE
    expect: Expect = None
    metadata: Metadata = Field(default_factory=dict)


class PresignRequest(_Body):
    files: list[Annotated[FileToPresign, KEPT]] = Field(min_length=1, max_length=MAX_FILES)
    metadata: Metadata = Field(default_factory=dict)


class FileToCompare(_Body):
    file_name: str = Field(examples=["card1/IMG_0001.JPG"])
    size: Size
    sha256: Sha256 | None = None


class CompareRequest(_Body):
    files: list[Annotated[FileToCompare, KEPT]] = Field(min_length=1, max_length=MAX_FILES)


class ComparedFile(BaseModel):
    """What sending a file would do; `sha256`, `image_id` and `recipe` are of the image that the gallery shows now."""

    file_name: str
    would: Would = Field(
        description="`add`: no image has this name; `replace`: one has, with other content as far as is known; "
        "`leave_unchanged`: one has, with this content; `unknown`: an upload under way has a file of this name, and "
        "has yet to decide"
    )
    sha256: str | None
    image_id: UUID | None
    same_content_as: list[str] = Field(description="other names that have this content in the gallery, at most 5")
    recipe: Literal["current", "former"] | None = Field(
        description="where it is unchanged: `former` for renditions of other styles than now, which a rebuild renews"
    )
    hash_wanted: bool = Field(description="ask again with its `sha256`: name or size meets an image")
    under_way_as: list[str] = Field(
        description="names of files in uploads under way that may be this one, by name or size, at most 5: to know "
        "more, ask again once they have ended"
    )
    same_content_under_way: list[str] = Field(
        description="other names that have this content in the gallery, unless an upload under way replaces it there, "
        "at most 5"
    )


class CompareAnswer(BaseModel):
    files: list[ComparedFile]


class FileToDecide(_Body):
    file_name: str
    choice: Choice


class DecideRequest(_Body):
    """What to do with files that would replace another image; `choice` is for all that are not in `files`."""

    files: list[Annotated[FileToDecide, KEPT]] = Field(default_factory=list, max_length=MAX_FILES)
    choice: Choice | None = None


class DecidedFile(BaseModel):
    file_name: str
    choice: Choice
    new_name: str | None = Field(description="the name that it is kept under beside the other")


class PresignedFile(BaseModel):
    """What a browser needs to send one file: a form POST with `fields`, the file last, or a PUT with `headers`."""

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


class DecidedAnswer(AcceptedAnswer):
    files: list[DecidedFile]


class StagedFile(_Body):
    key: str = Field(min_length=1, max_length=1024)
    file_name: str
    expect: Expect = None


class WebhookBody(_Body):
    gallery_id: str
    upload_id: str
    files: list[Annotated[StagedFile, KEPT]] = Field(min_length=1, max_length=MAX_FILES)
    metadata: Metadata = Field(default_factory=dict)


class ProblemItem(BaseModel):
    file_name: str
    outcome: str
    stage: str
    reason: str
    message: str
    metadata: dict[str, Any]


class Conflict(BaseModel):
    """The image that a refused entry would have replaced, as it was then."""

    image_id: UUID
    sha256: str


class EntryAnswer(BaseModel):
    """One file of an upload, and what became of it; `size` in bytes."""

    number: int
    file_name: str
    size: int | None
    outcome: Outcome | None
    stage: Stage | None
    reason: str | None
    message: str | None
    notes: list[str] = Field(description="what a person should know of it where it is in the gallery, as `damaged`")
    image_id: UUID | None
    conflict: Conflict | None
    metadata: dict[str, Any]


class EntriesAnswer(BaseModel):
    """A page of entries; `next_cursor` asks for the next one, and is null on the last."""

    entries: list[EntryAnswer]
    next_cursor: str | None


class WaitingAnswer(BaseModel):
    """What an accepted upload waits for, and how many uploads are before it."""

    waits_for: WaitsFor = Field(
        alias="for",
        description="`restart`: its last run could not begin, and another follows soon; "
        "`prefect`: Prefect's server does not answer, or does not create the run; `paused`: the work pool "
        "or its queue is paused; `worker`: no worker is responding; `place`: the limit of the queue is reached, or "
        "others are before it; `start`: nothing, it starts within seconds",
    )
    uploads_before: int = Field(
        description="the uploads that are running, and those that wait and were accepted earlier; a retry counts as "
        "accepted when it was requested"
    )


class StatusAnswer(BaseModel):
    """`waiting` is null unless the state is `accepted`, or the upload's run is paused in Prefect."""

    upload_id: str
    gallery_id: str
    state: UploadState
    waiting: WaitingAnswer | None
    flow_run_id: UUID | None
    flow_run_url: str | None
    image_count: int
    counts: dict[str, int]
    to_decide: int = Field(description="how many entries wait for a decision (reason `would_replace`)")
    notes: dict[str, int] = Field(description="how many entries have each note; notes that none has are left out")
    problems: list[ProblemItem]
    metadata: dict[str, Any]


class LinkRequest(_Body):
    expires_in_seconds: int = Field(
        default=int(DEFAULT_LIFE.total_seconds()), ge=1, le=int(LONGEST_LIFE.total_seconds())
    )


class LinkAnswer(BaseModel):
    """A link to the upload page; whoever has it may upload to this gallery until it expires."""

    url: str
    token: str
    expires_at: str


class LimitsAnswer(BaseModel):
    """Which files are refused. Extensions are in lower case, without the dot.

    `unsupported_extensions` has all of `unsupported_kinds` in one list.
    """

    max_file_bytes: int
    max_files: int
    unsupported_kinds: dict[UnsupportedKind, list[str]]
    unsupported_extensions: list[str]
    keep_replaced_days: int = Field(description="how long a replaced version can be restored")


class RenditionAnswer(BaseModel):
    """`url` is presigned and good for an hour; the route `.../images/{image_id}/{style}` always is."""

    url: str
    width: int
    height: int
    bytes: int
    content_type: str


class ImageAnswer(BaseModel):
    """A current image.

    `captured_at` is the camera's time, ISO 8601: with a zone where the camera knew it, a day where it knew no time.
    """

    image_id: UUID
    file_name: str
    upload_id: str
    width: int
    height: int
    source_format: str
    captured_at: str | None
    placeholder: Any
    metadata: dict[str, Any]
    renditions: dict[str, RenditionAnswer]


class ImagesAnswer(BaseModel):
    """A page of images; `next_cursor` asks for the next one, and is null on the last."""

    images: list[ImageAnswer]
    next_cursor: str | None


class VersionAnswer(BaseModel):
    """A version of an image. `kept_until`: when the files of a former one go; null for the current one, and where they
    are gone.
    """

    version_id: UUID
    sha256: str
    size: int
    width: int
    height: int
    upload_id: str
    created_at: datetime
    superseded_at: datetime | None
    is_current: bool
    kept_until: datetime | None
    renditions: dict[str, RenditionAnswer]


class RestoreRequest(_Body):
    """`expect`: the SHA-256 of the version that the caller has seen as the current one, and wants replaced."""

    expect: Sha256 | None = None


class VersionsAnswer(BaseModel):
    """All versions of an image, the newest first."""

    versions: list[VersionAnswer]


class ArrivedAnswer(BaseModel):
    """How many declared files a notification was the first to announce."""

    arrived: int


class HealthAnswer(BaseModel):
    status: str


class ReadinessAnswer(BaseModel):
    """`ok`, `paused` (by ops), `degraded` (runs cannot be started just now; everything is accepted) or `unavailable`.

    `missing`: `prefect`, `workers` and `deployment` where it is degraded; `database` and `storage` where it is
    unavailable.
    """

    status: str
    missing: list[str]
