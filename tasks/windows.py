"""A window: some images of an upload on their way through the four stages, and how windows overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from gallery.ingest import stages
from gallery.ingest.report import problem_of
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, Entry, EntryProblem, ProcessedImage, SaveReceipt
from gallery.retrying import retry

if TYPE_CHECKING:
    from tasks.maps import StageMap, StageMaps

# Images of a run's first window: so few that the first images are visible within seconds.
FIRST_WINDOW = 8


class Window:
    """Some entries of an upload. Call its four steps in order; each waits for the one before it.

    Raises `StaleAttempt` from any step but the first once a newer attempt has taken over.
    """

    def __init__(self, workspace: Workspace, maps: StageMaps, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.problems: list[EntryProblem] = []
        self._workspace, self._maps = workspace, maps
        self._downloads: StageMap[Entry, DownloadedImage]
        self._processing: StageMap[DownloadedImage, ProcessedImage]
        self._saves: StageMap[Entry, SaveReceipt]

    @property
    def lost(self) -> list[EntryProblem]:
        """Entries that ended rejected or failed. A cleanup that failed changes no outcome, so it is not among them."""
        return [problem for problem in self.problems if problem.stage != "cleanup"]

    def download(self) -> None:
        """Start downloading."""
        self._downloads = self._maps.download(self.entries)

    def process(self) -> None:
        """Wait for the downloads, settle what is unchanged, and start processing the rest."""
        arrived = self._downloads.settle()
        self.problems += [problem_of("download", entry, error) for entry, error in arrived.failed]
        changed = retry(self._workspace.settings, partial(stages.settle_unchanged, self._workspace, arrived.results))
        self._processing = self._maps.process(changed)

    def save(self) -> None:
        """Wait for the renditions and start saving."""
        processed = self._processing.settle()
        # A cached result counts only where the library still holds what it speaks of.
        stale = [one for one in processed.done if one.is_cached and not self._is_intact(one.result)]
        again = self._maps.process([one.item for one in stale], past_cache=True).settle()
        done = [one for one in processed.done if one not in stale] + again.done
        failed = processed.failed + again.failed
        self.problems += [problem_of("process", image.entry, error) for image, error in failed]
        for image in [*(one.item for one in done), *(image for image, _ in failed)]:
            image.path.unlink(missing_ok=True)
        self._saves = self._maps.save([(one.item.entry, one.result) for one in done])

    def finish(self) -> None:
        """Wait for the saves, and clean up after those that list something to delete."""
        saved = self._saves.settle()
        self.problems += [problem_of("save", entry, error) for entry, error in saved.failed]
        cleaned = self._maps.cleanup([receipt for receipt in saved.results if receipt.deletions]).settle()
        self.problems += [problem_of("cleanup", receipt, error) for receipt, error in cleaned.failed]

    def _is_intact(self, image: ProcessedImage) -> bool:
        return retry(self._workspace.settings, partial(stages.is_intact, self._workspace, image))


def overlapped(windows: Iterable[Window]) -> Iterator[Window]:
    """Advance windows side by side, so that neither network nor processors wait; yield each when it is finished.

    While one window is processed, the next one downloads and queues up behind it, and the one before is saved.
    A window starts to download only after the one two places ahead has been processed: the scratch disk holds the
    originals of two windows.
    """
    saving: Window | None = None
    processing: Window | None = None
    arriving: Window | None = None
    for coming in chain(windows, (None, None, None)):  # three more turns drain what is under way
        if arriving:
            arriving.process()
        if saving:
            saving.finish()
            yield saving
        if processing:
            processing.save()
        if coming:
            coming.download()
        saving, processing, arriving = processing, arriving, coming


def split(todo: Sequence[Entry], largest: int) -> Iterator[Sequence[Entry]]:
    """Windows of 8, 16, 32 and so on, and finally of `largest` entries."""
    start, size = 0, min(FIRST_WINDOW, largest)
    while start < len(todo):
        yield todo[start : start + size]
        start += size
        size = min(2 * size, largest)
