"""Checks of the files that a caller names: all of them, so that one odd file costs one more request and not 1,361."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gallery import names
from gallery.errors import FileFault, RefusedFiles, RefusedRequest
from gallery.imaging.formats import UNSUPPORTED_EXTENSIONS

UNSUPPORTED = frozenset().union(*UNSUPPORTED_EXTENSIONS.values())


def check_file_names(file_names: Iterable[str]) -> list[str]:
    """Return the names in Unicode NFC. Raises `RefusedFiles` with all that break a rule or stand twice."""
    found, faults = _check(file_names)
    if faults:
        raise RefusedFiles(faults)
    return found


def check_files(files: Iterable[tuple[str, int]], *, max_file_bytes: int) -> list[str]:
    """As `check_file_names`, for (name, size in bytes); refused are also files that no upload takes."""
    given = list(files)
    found, faults = _check(name for name, _ in given)
    faulty = {fault.index for fault in faults}
    for index, (name, size) in enumerate(given):
        if index not in faulty:
            faults += [FileFault(index, name, code, message) for code, message in _limits(name, size, max_file_bytes)]
    if faults:
        raise RefusedFiles(sorted(faults, key=lambda fault: fault.index))
    return found


def _check(file_names: Iterable[str]) -> tuple[list[str], list[FileFault]]:
    first_as: dict[str, str] = {}
    faults = []
    for index, name in enumerate(file_names):
        try:
            normal = names.check_file_name(name)
        except RefusedRequest as refusal:
            faults.append(FileFault(index, name, refusal.code, str(refusal)))
            continue
        if normal in first_as:
            message = f"{first_as[normal]!r} and {name!r} are the same file_name; each may stand once in an upload"
            faults.append(FileFault(index, name, "duplicate_file_name", message))
        else:
            first_as[normal] = name
    return list(first_as), faults


def _limits(name: str, size: int, max_file_bytes: int) -> Iterator[tuple[str, str]]:
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension in UNSUPPORTED:
        yield "unsupported_type", f"{name!r}: files of the kind .{extension} are not taken; see /v1/limits"
    elif size > max_file_bytes:
        yield "file_too_large", f"{name!r} has {size:,} bytes; at most {max_file_bytes:,} are taken"
