"""Finds the files of a photographer's folder, and says what it leaves out.

Hidden files, the litter of operating systems and links that lead elsewhere are skipped, with a note. Every other file
counts: one whose name breaks a rule is left out with a problem that names it, and holds up no other file.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gallery.client.file_names import names_in_words
from gallery.client.left_out import problem_with, refused_by, unreadable_file
from gallery.client.types import ReportedLimits, ReportedProblem
from gallery.errors import GalleryError, RefusedRequest
from gallery.imaging.formats import content_type_of
from gallery.names import check_file_name

LITTER = frozenset(
    {
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "Icon\r",
        "__MACOSX",
        "$RECYCLE.BIN",
        "System Volume Information",
        "@eaDir",
    }
)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file to send: its name within the gallery, where it is, its size in bytes and its likely type."""

    file_name: str
    path: Path
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class FoundPhotographs:
    """The files of a folder, by `file_name`; those that are left out, each with its problem; and notes.

    A note is one line for each kind of thing that was skipped.
    """

    files: tuple[LocalFile, ...]
    left_out: tuple[ReportedProblem, ...]
    notes: tuple[str, ...]

    def within(self, limits: ReportedLimits) -> FoundPhotographs:
        """The same without the files that the API refuses by these limits: they are left out as well."""
        problems = {file: refused_by(limits, file.file_name, file.size) for file in self.files}
        kept = tuple(file for file, problem in problems.items() if problem is None)
        refused = tuple(problem for problem in problems.values() if problem is not None)
        return replace(self, files=kept, left_out=(*self.left_out, *refused))


def find_photographs(folder: Path) -> FoundPhotographs:
    """Find every file under `folder`.

    Left out are files whose name breaks a rule (`invalid_file_name`), and of files with one name in Unicode NFC all but
    the first (`duplicate_file_name`). Raises `GalleryError` where the folder cannot be read or has no files.
    """
    if not folder.is_dir():
        raise GalleryError(f"{folder} is {'not a folder' if folder.exists() else 'not there'}")
    skipped: dict[str, list[str]] = {}
    found: dict[str, LocalFile] = {}
    left_out: list[ReportedProblem] = []
    for path in _walk(folder, skipped):
        name = path.relative_to(folder).as_posix()
        try:
            file = _local_file(name, path)
            if (other := found.setdefault(file.file_name, file)) is not file:
                raise RefusedRequest("duplicate_file_name", _same_name(folder, other.path, path))
        except RefusedRequest as refused:
            left_out.append(problem_with(_in_utf8(name), refused.code, f"{refused}; rename the file"))
        except OSError as error:
            left_out.append(unreadable_file(_in_utf8(name), error))
    notes = tuple(_note(why, names) for why, names in sorted(skipped.items()))
    if not found and not left_out:
        raise GalleryError("; ".join((f"{folder} has no files to send", *notes)))
    return FoundPhotographs(tuple(found[name] for name in sorted(found)), tuple(left_out), notes)


def _walk(folder: Path, skipped: dict[str, list[str]]) -> Iterator[Path]:
    root = folder.resolve()

    def fail(error: OSError) -> None:
        raise GalleryError(f"cannot read {error.filename}: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=fail):
        here = Path(parent)
        folders.sort()  # in place: it is also the order in which they are entered
        for name in list(folders):
            if why := _why_not_enter(here / name):
                skipped.setdefault(why, []).append((here / name).relative_to(folder).as_posix() + "/")
                folders.remove(name)
        for name in sorted(files):
            if why := _why_not_send(here / name, root):
                skipped.setdefault(why, []).append((here / name).relative_to(folder).as_posix())
            else:
                yield here / name


def _why_not_enter(path: Path) -> str | None:
    if path.name.startswith(".") or path.name in LITTER:
        return "hidden or system"
    # A link to a folder inside would send its files twice, or for ever where it leads upwards.
    return "linked folder" if path.is_symlink() else None


def _why_not_send(path: Path, root: Path) -> str | None:
    if path.name.startswith(".") or path.name in LITTER:
        return "hidden or system"
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
            return "broken link"
        if not target.is_relative_to(root):
            return "link to outside the folder"
    return None if path.is_file() else "not a regular file"


def _local_file(name: str, path: Path) -> LocalFile:
    file_name = check_file_name(name)
    # Python's own table has HEIC and its like only from 3.13 on, or where the machine has a mime.types file.
    guessed = content_type_of(path.suffix) or mimetypes.guess_type(file_name, strict=False)[0]
    return LocalFile(file_name, path, path.stat().st_size, guessed or "application/octet-stream")


def _same_name(folder: Path, *paths: Path) -> str:
    # Both look alike on a screen; escapes show what differs.
    one, other = (ascii(path.relative_to(folder).as_posix()) for path in paths)
    return f"two files have the same name once Unicode is normalised, {one} and {other}; the first one counts"


def _in_utf8(name: str) -> str:
    """A name as text that can be written: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _note(why: str, names: list[str]) -> str:
    return f"skipped, {why}: {names_in_words(names)}"
