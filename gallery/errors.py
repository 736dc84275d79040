"""Every error the project raises on purpose.

GalleryError
├── ConfigurationError     a setting is missing or wrong; names it and what it should be
├── RefusedRequest         a caller asked for something that cannot be: HTTP 422, CLI exit 2
│   └── RefusedFiles       some of the files that it named; says which, and why each
├── NotAuthenticated       a caller that does not say, or cannot prove, who it is: HTTP 401
├── ForbiddenError         a caller that may not do this, or a message its supposed sender did not send: HTTP 403
├── NotFoundError          an upload, gallery or image is not known: HTTP 404
├── ConflictError          the request contradicts what is stored: HTTP 409
│   └── ChangedMeanwhile   what the caller has seen is no longer so
├── TooManyRequests        a caller that asks too often: HTTP 429
├── PrefectUnavailable     Prefect's API does not answer
├── ClaimLost              another process of the same attempt has taken over this entry
├── ResultGone             the files of a cached result are about to be deleted, or gone
├── StaleUpkeep            a rebuild or sweep has been ended by others, or a newer attempt of it has begun
└── IngestError            something about one entry; has a stable `reason`
    ├── RejectedImage      the file is at fault: permanent for these limits and this version
    │   └── WouldReplace   saving it would replace what its sender does not expect there
    ├── StagedFileError    the staged file is missing or changed: this attempt cannot go on,
    │                      a later one may; repeating the same call would not help
    ├── DeletionRefused    storage refuses to delete something, and will the next time
    ├── StaleAttempt       others have ended this attempt, or a newer one has taken over
    └── TransientError     the surroundings are at fault: the same call may succeed later
        └── MissingBucket  a bucket is not there, which says nothing about the objects in it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

RejectionReason = Literal[
    "not_an_image",
    "truncated",
    "too_many_pixels",
    "too_many_bytes",
    "too_many_frames",
    "unsupported_format",
    "decoder_failed",
    "would_replace",
    "left_out",
]
FailureReason = Literal[
    "missing_object",
    "size_mismatch",
    "deletion_refused",
    "changed_during_ingest",
    "storage_unavailable",
    "database_unavailable",
    "scratch_unavailable",
    "stale_attempt",
    "internal_error",
]
Reason = RejectionReason | FailureReason


class GalleryError(Exception):
    """Base of all errors raised on purpose; its message names the thing, the cause and what to do.

    `code` is what programs tell it by; it is stable, and stands in the API's problem details.
    """

    code: str = "error"


class ConfigurationError(GalleryError):
    """Raised when a setting is missing or wrong, before anything starts."""


class RefusedRequest(GalleryError):
    """Raised when what a caller sent breaks a rule; each rule has a code of its own, and the message names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class FileFault:
    """Why a file of a request is refused; `index` is its place in the request's list, from 0."""

    index: int
    file_name: str | None
    code: str
    message: str


class RefusedFiles(RefusedRequest):
    """Raised when files that a caller named cannot be taken; has every one of them, so that it can leave them out."""

    def __init__(self, faults: Sequence[FileFault]) -> None:
        first, more = faults[0], len(faults) - 1
        super().__init__(first.code, first.message + (f"; and {more:,} more" if more else ""))
        self.faults = tuple(faults)


class NotAuthenticated(GalleryError):
    """Raised when a caller's key or signature is missing or not valid. `scheme`: that of HTTP to use instead."""

    code = "not_authenticated"

    def __init__(self, message: str, *, scheme: str | None = None) -> None:
        super().__init__(message)
        self.scheme = scheme


class ForbiddenError(GalleryError):
    """Raised when a caller may not do this, or when a message was not sent by its supposed sender."""

    code = "not_allowed"


class NotFoundError(GalleryError):
    """Raised when an upload, gallery, image or style is not known."""

    code = "not_found"


class ConflictError(GalleryError):
    """Raised when a request contradicts what is stored under the same id or key."""

    code = "conflict"


class ChangedMeanwhile(ConflictError):
    """Raised when what a caller has seen, and decides upon, is no longer so."""

    code = "changed_meanwhile"


class TooManyRequests(GalleryError):
    """Raised when a caller asks too often. `retry_after`: whole seconds until it may ask again."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PrefectUnavailable(GalleryError):
    """Raised when Prefect's API does not answer, or lacks the deployment that `gallery setup` makes."""

    code = "prefect_unavailable"


class ClaimLost(GalleryError):
    """Raised when an entry is no longer this process's to write: another process of the attempt has taken it over."""


class ResultGone(GalleryError):
    """Raised when the files that a cached result names are due for deletion, or deleted: process has to run again."""


class StaleUpkeep(GalleryError):
    """Raised when others have ended this attempt of a rebuild or sweep, or a newer one has begun; it must stop."""


class IngestError(GalleryError):
    """Something went wrong with one entry; `reason` is a stable code for tables and callers."""

    reason: Reason

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = self.code = reason

    def __reduce__(self) -> tuple[type[IngestError], tuple[Reason, str]]:
        # Errors cross from decoder subprocesses by pickle, which would else call cls(message).
        return type(self), (self.reason, str(self))


class RejectedImage(IngestError):
    """Raised when the file itself is at fault; no retry can help.

    `metadata` is what the file's EXIF still says, as far as it could be read.
    """

    def __init__(self, reason: RejectionReason, message: str) -> None:
        super().__init__(reason, message)
        self.metadata: dict[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, str(self)), {"metadata": self.metadata}


class WouldReplace(RejectedImage):
    """Raised when a save would replace a version that the sender did not expect.

    `sha256` is that version's content. The file itself is not at fault.
    """

    def __init__(self, sha256: str) -> None:
        super().__init__(
            "would_replace",
            "the gallery has another image under this name, which its sender did not expect; decide which one to keep",
        )
        self.sha256 = sha256

    def __reduce__(self) -> tuple[type[IngestError], tuple[str]]:  # type: ignore[override]
        return type(self), (self.sha256,)


class StagedFileError(IngestError):
    """Raised when the staged file is missing, changed, or not of the declared size."""


class DeletionRefused(IngestError):
    """Raised when storage refuses for good to delete `key`, and `count - 1` more. They stay in the outbox."""

    def __init__(self, key: str, storage_code: str, count: int) -> None:
        more = f", and {count - 1:,} more" if count > 1 else ""
        super().__init__("deletion_refused", f"storage refuses to delete {key}{more}: {storage_code}")
        self.key, self.storage_code, self.count = key, storage_code, count

    def __reduce__(self) -> tuple[type[IngestError], tuple[str, str, int]]:  # type: ignore[override]
        return type(self), (self.key, self.storage_code, self.count)


class StaleAttempt(IngestError):
    """Raised when an attempt has been ended by others, or overtaken by a newer one; it must write nothing."""

    def __init__(self, upload_id: str, attempt: int) -> None:
        super().__init__(
            "stale_attempt",
            f"upload {upload_id}: attempt {attempt} has been ended or overtaken by a newer one, so it stops here",
        )
        self.upload_id, self.attempt = upload_id, attempt

    def __reduce__(self) -> tuple[type[IngestError], tuple[str, int]]:  # type: ignore[override]
        return type(self), (self.upload_id, self.attempt)


class TransientError(IngestError):
    """Raised when storage or database did not answer, or answered that it cannot just now."""


class MissingBucket(TransientError):
    """Raised when a bucket is not there. Nothing that was in it counts as gone: the setting may name another store."""

    def __init__(self, bucket: str) -> None:
        super().__init__(
            "storage_unavailable",
            f"bucket {bucket} is not there: make it with `gallery setup`, or correct the settings that name it and its "
            "store",
        )
        self.bucket = bucket

    def __reduce__(self) -> tuple[type[IngestError], tuple[str]]:  # type: ignore[override]
        return type(self), (self.bucket,)
