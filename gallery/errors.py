"""Every error the project raises on purpose.

GalleryError
├── ConfigurationError     a setting is missing or wrong; names it and what it should be
├── RefusedRequest         a caller asked for something that cannot be: HTTP 4xx, CLI exit 2
├── NotFoundError          an upload, gallery or image is not known
├── ConflictError          the request contradicts what is stored
├── ForbiddenError         a message that its supposed sender did not send, or that is not for us
├── PrefectUnavailable     Prefect's API does not answer
└── IngestError            something about one entry; has a stable `reason`
    ├── RejectedImage      the file is at fault: permanent for these limits and this version
    ├── StagedFileError    the staged file is missing or changed: this attempt cannot go on,
    │                      a later one may; repeating the same call would not help
    ├── StaleAttempt       a newer attempt of the same upload has taken over
    └── TransientError     the surroundings are at fault: the same call may succeed later
"""

from __future__ import annotations

from typing import Any, Literal

RejectionReason = Literal[
    "not_an_image",
    "truncated",
    "too_many_pixels",
    "too_many_bytes",
    "too_many_frames",
    "unsupported_format",
    "decoder_failed",
]
FailureReason = Literal[
    "missing_object",
    "size_mismatch",
    "changed_during_ingest",
    "storage_unavailable",
    "database_unavailable",
    "stale_attempt",
    "internal_error",
]
Reason = RejectionReason | FailureReason


class GalleryError(Exception):
    """Base of all errors raised on purpose; its message names the thing, the cause and the mend."""


class ConfigurationError(GalleryError):
    """Raised when a setting is missing or wrong, before anything starts."""


class RefusedRequest(GalleryError):
    """Raised when what a caller sent breaks a rule; `code` is stable, the message names the rule."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(GalleryError):
    """Raised when an upload, gallery, image or style is not known."""


class ConflictError(GalleryError):
    """Raised when a request contradicts what is stored under the same id or key."""


class ForbiddenError(GalleryError):
    """Raised when a message is not signed by whom it says, or comes from where nothing is accepted from."""


class PrefectUnavailable(GalleryError):
    """Raised when Prefect's API does not answer, or lacks the deployment that `gallery setup` makes."""


class IngestError(GalleryError):
    """Something went wrong with one entry; `reason` is a stable code for tables and callers."""

    reason: Reason

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

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


class StagedFileError(IngestError):
    """Raised when the staged file is missing, changed, or not of the declared size."""


class StaleAttempt(IngestError):
    """Raised when a newer attempt of the same upload has taken over; this one must write nothing."""

    def __init__(self, upload_id: str, attempt: int) -> None:
        super().__init__(
            "stale_attempt",
            f"upload {upload_id}: attempt {attempt} was overtaken by a newer attempt and stops here",
        )
        self.upload_id, self.attempt = upload_id, attempt

    def __reduce__(self) -> tuple[type[IngestError], tuple[str, int]]:  # type: ignore[override]
        return type(self), (self.upload_id, self.attempt)


class TransientError(IngestError):
    """Raised when storage or database did not answer, or answered that it cannot just now."""
