"""The process stage for files on this machine, without any server: what `gallery process` shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gallery.errors import RejectedImage, RejectionReason
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenditionFile

_LONGEST_FOLDER_BYTES = 200


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """What became of one file; sizes in pixels, the source's after its orientation."""

    file: Path
    outcome: Literal["ok", "rejected"]
    reason: RejectionReason | None = None
    message: str | None = None
    width: int | None = None
    height: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    renditions: tuple[RenditionFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable object that `gallery process --json` prints, one a line."""
        return {
            "file": str(self.file),
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "width": self.width,
            "height": self.height,
            "metadata": dict(self.metadata),
            "renditions": [
                {
                    "style": rendition.style,
                    "path": str(rendition.path),
                    "width": rendition.width,
                    "height": rendition.height,
                    "bytes": rendition.bytes,
                }
                for rendition in self.renditions
            ],
        }


def process_files(
    files: Iterable[Path],
    out: Path,
    recipe: Recipe,
    limits: Limits,
    *,
    processors: int,
    memory_budget: int,
    timeout_seconds: float = 120,
) -> Iterator[ProcessedFile]:
    """Render every file into a folder of its own in `out`; yields in the order given, as they are done.

    The folders are named after the files, the second of the same name with `-2`. A file that cannot be
    opened is an outcome too. Raises `OSError` where `out` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    folders = _Folders(out)
    under_way: deque[Future[ProcessedFile]] = deque()
    with (
        DecoderPool(processors, recipe, limits, memory_budget, timeout_seconds) as pool,
        ThreadPoolExecutor(processors + 1) as threads,
    ):
        try:
            for file in files:
                under_way.append(threads.submit(_process, pool, file, folders.for_file(file)))
                if len(under_way) > 2 * processors:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _process(pool: DecoderPool, file: Path, folder: Path) -> ProcessedFile:
    if problem := _unreadable(file):
        return ProcessedFile(file, "rejected", "not_an_image", problem)
    folder.mkdir(exist_ok=True)
    try:
        rendered = pool.render(file, folder)
    except RejectedImage as rejection:
        if not any(folder.iterdir()):
            folder.rmdir()
        return ProcessedFile(file, "rejected", rejection.reason, str(rejection))  # type: ignore[arg-type]
    return ProcessedFile(
        file,
        "ok",
        width=rendered.width,
        height=rendered.height,
        metadata=rendered.metadata,
        renditions=rendered.renditions,
    )


def _unreadable(file: Path) -> str | None:
    """Why `file` cannot be read, found before the pool: an `OSError` from there means the output's disk."""
    try:
        if not file.is_file():  # opening a pipe would wait for ever
            return "this is not a file" if file.exists() else "there is no such file"
        with file.open("rb"):
            return None
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"


class _Folders:
    """Names a folder for every file, each only once, also where the file system ignores case."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._taken: set[str] = set()

    def for_file(self, file: Path) -> Path:
        stem = file.stem.encode(errors="surrogateescape")[:_LONGEST_FOLDER_BYTES]
        base = stem.decode(errors="ignore").strip(". ") or "image"
        name, number = base, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name.casefold())
        return self._out / name
