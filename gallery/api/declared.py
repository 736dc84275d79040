"""Checks of the files that a caller names: all of them, so that one odd file costs one more request and not 1,361."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from pydantic import ValidationError

from gallery import names
from gallery.errors import FileFault, RefusedFiles, RefusedRequest
from gallery.imaging.formats import UNSUPPORTED_EXTENSIONS

UNSUPPORTED = frozenset().union(*UNSUPPORTED_EXTENSIONS.values())
Limits = Callable[[Any], Iterator[tuple[str, str]]]
"""Codes and messages of what is against a file, besides its name."""


class NamedFile(Protocol):
    """A file of a request's list, by its name."""

    file_name: str


File = TypeVar("File", bound=NamedFile)


@dataclass(frozen=True, slots=True)
class InvalidFile:
    """Stands in a body's list for a file that has not passed validation, so that the others are looked at, too."""

    file_name: str | None
    message: str


def kept_if_invalid(value: Any, validate: Callable[[Any], Any]) -> Any:
    """A validator for the items of a list of files: one that is not valid becomes an `InvalidFile`."""
    try:
        return validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        name = value.get("file_name") if isinstance(value, dict) else None
        return InvalidFile(
            name if isinstance(name, str) else None, f"{where}: {first['msg']}" if where else first["msg"]
        )


def check_files(files: Sequence[File], against: Limits | None = None) -> list[tuple[str, File]]:
    """Return the files with their names in Unicode NFC.

    Raises `RefusedFiles` with all that are not valid, whose names break a rule or stand twice, or that are refused by
    `against`.
    """
    good: dict[str, File] = {}
    faults: list[FileFault] = []
    for index, file in enumerate(files):
        if isinstance(cast(object, file), InvalidFile):
            invalid = cast(InvalidFile, file)
            faults.append(FileFault(index, invalid.file_name, "invalid_request", invalid.message))
            continue
        name = file.file_name
        try:
            normal = names.check_file_name(name)
        except RefusedRequest as refusal:
            faults.append(FileFault(index, name, refusal.code, str(refusal)))
            continue
        if normal in good:
            message = (
                f"{good[normal].file_name!r} and {name!r} are the same file_name; each may stand once in an upload"
            )
            faults.append(FileFault(index, name, "duplicate_file_name", message))
        elif found := next(against(file) if against else iter(()), None):
            faults.append(FileFault(index, name, *found))
        else:
            good[normal] = file
    if faults:
        raise RefusedFiles(faults)
    return list(good.items())


def limits_of(max_file_bytes: int) -> Limits:
    """A check that refuses files of unsupported kinds, and files larger than `max_file_bytes`."""

    def against(file: Any) -> Iterator[tuple[str, str]]:
        name, size = file.file_name, file.size
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        if name[-1:].isspace():
            # Ceph's radosgw, for one, reads the form's key without it, and then refuses the file.
            yield "invalid_file_name", f"file_name {name!r} must not end in a space: some stores cut it off"
        elif extension in UNSUPPORTED:
            yield "unsupported_type", f"{name!r}: files of the kind .{extension} are not taken; see /v1/limits"
        elif size > max_file_bytes:
            yield "file_too_large", f"{name!r} has {size:,} bytes; at most {max_file_bytes:,} are taken"

    return against
