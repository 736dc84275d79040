"""Compares the files of a folder with a gallery, so that nothing is sent twice and nothing is replaced unasked.

Names and sizes are compared first. Only of files that meet an image of the gallery in one of them the SHA-256 is
computed: content alone tells whether a file is there already.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from gallery.amounts import count_in_words
from gallery.client.api import GalleryClient
from gallery.client.folder import FoundPhotographs, LocalFile
from gallery.client.left_out import unreadable_file, without_faulty
from gallery.client.progress import JobProgress
from gallery.client.types import FileInQuestion, ReportedComparison, ReportedProblem

# Seconds between two looks at uploads under way.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
# Hashing waits for the disk about as much as it computes.
HASHERS = min(4, os.cpu_count() or 1)
Kind = Literal["add", "unchanged", "under_another_name", "replace", "unknown"]
KINDS: tuple[Kind, ...] = ("add", "unchanged", "under_another_name", "replace", "unknown")


@dataclass(frozen=True, slots=True)
class ComparedPhotograph:
    """A file, and what sending it would do."""

    file: LocalFile
    there: ReportedComparison

    @property
    def kind(self) -> Kind:
        """What is to be done: `unchanged` and `under_another_name` are in the gallery already."""
        if self.there.would == "leave_unchanged":
            return "unchanged"
        return "under_another_name" if self.there.same_content_as else self.there.would

    def to_json(self) -> dict[str, Any]:
        """The API's answer for this file, with its size in bytes."""
        return {
            "file_name": self.file.file_name,
            "size": self.file.size,
            "would": self.there.would,
            "sha256": self.there.sha256,
            "image_id": None if self.there.image_id is None else str(self.there.image_id),
            "same_content_as": list(self.there.same_content_as),
            "recipe": self.there.recipe,
            "under_way_as": list(self.there.under_way_as),
        }


@dataclass(frozen=True, slots=True)
class FolderComparison:
    """The files of a folder compared with a gallery, by name, and those that are left out."""

    photographs: tuple[ComparedPhotograph, ...]
    left_out: tuple[ReportedProblem, ...]

    def of(self, *kinds: Kind) -> tuple[ComparedPhotograph, ...]:
        """The photographs of these kinds."""
        return tuple(photograph for photograph in self.photographs if photograph.kind in kinds)

    @property
    def in_doubt(self) -> tuple[ComparedPhotograph, ...]:
        """The photographs that may be among those of an upload under way, or in the gallery under a name of one."""
        return tuple(photograph for photograph in self.photographs if photograph.there.is_in_doubt)

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it: a list for each kind, and `left_out`."""
        by_kind: dict[str, Any] = {kind: [photograph.to_json() for photograph in self.of(kind)] for kind in KINDS}
        return {**by_kind, "left_out": [asdict(problem) for problem in self.left_out]}


def compare_files(
    client: GalleryClient,
    gallery_id: str,
    found: FoundPhotographs,
    batch: int,
    progress: JobProgress,
    hashes: dict[str, str] | None = None,
) -> FolderComparison:
    """Compare the files of a folder with a gallery, at most `batch` of them in one request. Changes nothing there.

    `hashes` has the SHA-256 of files that have been read before, by name, and gets those that are read now.
    Raises `NotFoundError` where the API is of a release that cannot compare.
    """
    hashes = {} if hashes is None else hashes
    answers, refused = _ask(client, gallery_id, found.files, hashes, batch)
    unhashed = [file for file in found.files if file.file_name in answers and answers[file.file_name].hash_wanted]
    read, unreadable = _hash(unhashed, progress)
    hashes.update(read)
    hashed = [file for file in unhashed if file.file_name in hashes]
    better, refused_later = _ask(client, gallery_id, hashed, hashes, batch)
    left_out = (*refused, *unreadable, *refused_later)
    names_left_out = {problem.file_name for problem in left_out}
    return FolderComparison(
        tuple(
            ComparedPhotograph(file, {**answers, **better}[file.file_name])
            for file in found.files
            if file.file_name not in names_left_out
        ),
        (*found.left_out, *left_out),
    )


def wait_for_uploads(
    client: GalleryClient,
    gallery_id: str,
    compared: FolderComparison,
    hashes: Mapping[str, str],
    batch: int,
    progress: JobProgress,
    longest: float,
) -> bool:
    """Wait until no upload under way may have one of these files, at most `longest` seconds; whether it waited."""
    end, pause = time.monotonic() + longest, FIRST_PAUSE
    files = [photograph.file for photograph in compared.in_doubt]
    if not files or longest <= 0:
        return False
    progress.note(
        f"an upload of this gallery is under way, which may have {count_in_words(len(files), 'file')} of these: "
        "waiting for its end"
    )
    while files and (left := end - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
        answers, _ = _ask(client, gallery_id, files, hashes, batch)
        files = [file for file in files if file.file_name in answers and answers[file.file_name].is_in_doubt]
    return True


def are_still_there(
    client: GalleryClient, gallery_id: str, compared: FolderComparison, batch: int, hashes: Mapping[str, str]
) -> bool:
    """Whether the gallery still has, by content, all files that need not be sent for that."""
    files = [photograph.file for photograph in compared.of("unchanged", "under_another_name")]
    answers, _ = _ask(client, gallery_id, files, hashes, batch)
    return all(
        (answer := answers.get(file.file_name)) is not None
        and (answer.would == "leave_unchanged" or bool(answer.same_content_as))
        for file in files
    )


def in_batches(files: Iterable[LocalFile], size: int) -> Iterator[list[LocalFile]]:
    """Lists of at most `size` files."""
    iterator = iter(files)
    while batch := list(islice(iterator, size)):
        yield batch


def _ask(
    client: GalleryClient, gallery_id: str, files: Iterable[LocalFile], hashes: Mapping[str, str], batch: int
) -> tuple[dict[str, ReportedComparison], tuple[ReportedProblem, ...]]:
    """The API's answers by name, and the files that it refuses."""

    def compare(some: Sequence[LocalFile]) -> tuple[ReportedComparison, ...]:
        questions = [FileInQuestion(file.file_name, file.size, hashes.get(file.file_name)) for file in some]
        return client.compare(gallery_id, questions)

    answers: dict[str, ReportedComparison] = {}
    refused: list[ReportedProblem] = []
    for some in in_batches(files, batch):
        compared, faulty = without_faulty(some, compare)
        answers.update((answer.file_name, answer) for answer in compared or ())
        refused += faulty
    return answers, tuple(refused)


def _hash(files: Sequence[LocalFile], progress: JobProgress) -> tuple[dict[str, str], tuple[ReportedProblem, ...]]:
    """The SHA-256 of each file by name, in constant memory, and the files that cannot be read."""
    hashes: dict[str, str] = {}
    unreadable: list[ReportedProblem] = []
    if not files:
        return hashes, ()
    progress.step("comparing", sum(file.size for file in files), "bytes")
    done_bytes = 0
    with ThreadPoolExecutor(HASHERS, thread_name_prefix="hash") as hashers:
        hashing = {hashers.submit(_sha256, file): file for file in files}
        try:
            for number, future in enumerate(as_completed(hashing), start=1):
                file = hashing[future]
                try:
                    hashes[file.file_name] = future.result()
                except OSError as error:
                    unreadable.append(unreadable_file(file.file_name, error))
                done_bytes += file.size
                progress.advance(done_bytes, f"{number:,} of {len(files):,} files")
        except BaseException:
            # Also for Ctrl-C: else leaving the pool would hash all the rest first.
            hashers.shutdown(wait=False, cancel_futures=True)
            raise
    return hashes, tuple(unreadable)


def _sha256(file: LocalFile) -> str:
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
