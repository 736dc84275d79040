"""Files that are not sent: each has a problem, as if the server had rejected it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from gallery.client.errors import RefusedFilesError
from gallery.client.types import ReportedLimits, ReportedProblem

# By the kinds of files that the API names in its limits.
KINDS = {
    "raw": "the file is camera RAW (.{}), which is not supported: develop it, and export it as JPEG, TIFF or PNG",
    "video": "the file is a video (.{}): a gallery takes photographs only",
    "other": "files of this kind (.{}) are not supported: if it is a photograph, export it as JPEG, TIFF or PNG",
}


class _Named(Protocol):
    @property
    def file_name(self) -> str: ...


File = TypeVar("File", bound=_Named)
Answer = TypeVar("Answer")


def problem_with(file_name: str, reason: str, message: str) -> ReportedProblem:
    """A file that is at fault, and is not sent."""
    return ReportedProblem(file_name, "rejected", "download", reason, message)


def unreadable_file(file_name: str, error: OSError) -> ReportedProblem:
    """A file that cannot be read: it is missing in the upload, as one that did not arrive."""
    message = f"the file cannot be read: {error.strerror or error}"
    return ReportedProblem(file_name, "failed", "download", "missing_object", message)


def refused_by(limits: ReportedLimits, file_name: str, size: int) -> ReportedProblem | None:
    """The problem of a file that is of a kind, or of a size in bytes, that the API refuses; `None` if it is not."""
    extension = PurePosixPath(file_name).suffix.removeprefix(".").lower()
    if extension in limits.unsupported_extensions:
        kind = next((kind for kind, extensions in limits.unsupported_kinds.items() if extension in extensions), "other")
        return problem_with(file_name, "unsupported_format", KINDS.get(kind, KINDS["other"]).format(extension))
    if size > limits.max_file_bytes:
        message = f"the file has {size:,} bytes; at most {limits.max_file_bytes:,} are accepted: export it smaller"
        return problem_with(file_name, "too_many_bytes", message)
    return None


def without_faulty(
    files: Sequence[File], call: Callable[[Sequence[File]], Answer]
) -> tuple[Answer | None, tuple[ReportedProblem, ...]]:
    """Call the API with these files, and once more without those that it refuses, which have a problem each.

    The answer is `None` where none is left. Raises what `call` does, the second refusal included.
    """
    try:
        return call(files), ()
    except RefusedFilesError as refused:
        faults = {fault.index: fault for fault in refused.faults if 0 <= fault.index < len(files)}
        if not faults:
            raise
    problems = tuple(problem_with(files[index].file_name, fault.code, fault.message) for index, fault in faults.items())
    left = [file for index, file in enumerate(files) if index not in faults]
    return (call(left) if left else None), problems
