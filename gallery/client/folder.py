"""Finds what to send in a photographer's folder, and says what it leaves out.

Everything that is a regular file is sent, also what is no image: the server looks at the bytes and
decides, so that a photographer hears of every file. Left out are only hidden files and the litter that
operating systems leave in folders.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
NAMES_IN_A_NOTE = 5


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file to send: its name within the gallery, where it is, its size in bytes and its likely type."""

    file_name: str
    path: Path
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class FoundPhotographs:
    """All files of a folder, by `file_name`, and one line for each kind of thing that was left out."""

    files: tuple[LocalFile, ...]
    notes: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def find_photographs(folder: Path) -> FoundPhotographs:
    """Find every file under `folder` that belongs to the gallery.

    Raises `GalleryError` where the folder cannot be read or has nothing to send, and `RefusedRequest` for
    a name that breaks a rule or for two names that are the same in Unicode NFC.
    """
    if not folder.is_dir():
        raise GalleryError(f"{folder} is {'not a folder' if folder.exists() else 'not there'}")
    skipped: dict[str, list[str]] = {}
    found: dict[str, LocalFile] = {}
    for path in _walk(folder, skipped):
        file = _local_file(folder, path)
        if (other := found.get(file.file_name)) is not None:
            # Both look alike on a screen; escapes show what differs.
            raise RefusedRequest(
                "duplicate_file_name",
                f"two files have the same name once Unicode is normalised: {_escaped(folder, other.path)} "
                f"and {_escaped(folder, path)}: rename one",
            )
        found[file.file_name] = file
    notes = tuple(_note(why, names) for why, names in sorted(skipped.items()))
    if not found:
        raise GalleryError("; ".join((f"{folder} has no files to send", *notes)))
    return FoundPhotographs(tuple(found[name] for name in sorted(found)), notes)


def _walk(folder: Path, skipped: dict[str, list[str]]) -> Iterator[Path]:
    root = folder.resolve()

    def unreadable(error: OSError) -> None:
        raise GalleryError(f"cannot read {error.filename}: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        for name in sorted(folders):
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


def _local_file(folder: Path, path: Path) -> LocalFile:
    file_name = check_file_name(path.relative_to(folder).as_posix())
    try:
        size = path.stat().st_size
    except OSError as error:
        raise GalleryError(f"cannot read {path}: {error.strerror}") from error
    # Python's own table has HEIC and its like only from 3.13 on, or where the machine has a mime.types file.
    guessed = content_type_of(path.suffix) or mimetypes.guess_type(file_name, strict=False)[0]
    return LocalFile(file_name, path, size, guessed or "application/octet-stream")


def _escaped(folder: Path, path: Path) -> str:
    return ascii(path.relative_to(folder).as_posix())


def _note(why: str, names: list[str]) -> str:
    shown = ", ".join(ascii(name) if not name.isprintable() else name for name in names[:NAMES_IN_A_NOTE])
    more = f" and {len(names) - NAMES_IN_A_NOTE} more" if len(names) > NAMES_IN_A_NOTE else ""
    return f"skipped, {why}: {shown}{more}"
