"""A window: some images of an upload on their way through the four stages, and how windows overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from gallery.errors import ClaimLost, ResultGone
from gallery.ingest import stages
from gallery.ingest.report import Named, problem_of
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, Entry, EntryProblem, ProcessedImage, SaveReceipt, Stage
from gallery.retrying import retry

if TYPE_CHECKING:
    from tasks.maps import Done, StageMap, StageMaps

# Images of a run's first window: so few that the first images are visible within seconds.
FIRST_WINDOW = 8


class Window:
    """Some entries of an upload that this process has claimed. Call its four steps in order; each waits for the one
    before it.

    Raises `StaleAttempt` from any step but the first once the attempt has ended. An entry that another process has
    taken over meanwhile is dropped: it is not this one's to tell about.
    """

    def __init__(self, workspace: Workspace, maps: StageMaps, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.finished = 0
        """How many of them are through."""
        self.problems: list[EntryProblem] = []
        self._workspace, self._maps = workspace, maps
        self._downloads: StageMap[Entry, DownloadedImage]
        self._processing: StageMap[DownloadedImage, ProcessedImage]
        self._saves: StageMap[Entry, SaveReceipt]

    def download(self) -> None:
        """Start downloading."""
        self._downloads = self._maps.download(self.entries)

    def process(self) -> None:
        """Wait for the downloads, settle what is unchanged, and start processing the rest."""
        arrived = self._downloads.settle()
        self._note("download", arrived.failed)
        self._processing = self._maps.process(self._changed(arrived.results))

    def save(self) -> None:
        """Wait for the renditions and start saving."""
        processed = self._processing.settle()
        # A cached result counts only where the library still holds what it speaks of.
        stale = [one for one in processed.done if one.is_cached and not self._is_intact(one)]
        again = self._maps.process([one.item for one in stale], past_cache=True).settle()
        done = [one for one in processed.done if one not in stale] + again.done
        failed = processed.failed + again.failed
        self._note("process", [(image.entry, error) for image, error in failed])
        for image in [*(one.item for one in done), *(image for image, _ in failed)]:
            image.path.unlink(missing_ok=True)
        self._saves = self._maps.save([(one.item.entry, one.result) for one in done])

    def finish(self) -> None:
        """Wait for the saves, and clean up after those that list something to delete."""
        saved = self._saves.settle()
        gone = [entry.number for entry, error in saved.failed if isinstance(error, ResultGone)]
        # They come up again, under another claim.
        retry(self._workspace.settings, partial(stages.hand_back, self._workspace, gone))
        self.finished = len(self.entries) - len(gone)
        self._note("save", saved.failed)
        cleaned = self._maps.cleanup([receipt for receipt in saved.results if receipt.deletions]).settle()
        self._note("cleanup", cleaned.failed)
        self._settle_overtaken()

    def _settle_overtaken(self) -> None:
        # What is not there any more may have gone because a later upload has replaced it.
        missing = {problem.number for problem in self.problems if problem.reason == "missing_object"}
        entries = [entry for entry in self.entries if entry.number in missing]
        with suppress(ClaimLost):
            settled = retry(self._workspace.settings, partial(stages.settle_overtaken, self._workspace, entries))
            self.problems = [problem for problem in self.problems if problem.number not in settled]

    def _changed(self, arrived: Sequence[DownloadedImage]) -> Sequence[DownloadedImage]:
        try:
            return retry(self._workspace.settings, partial(stages.settle_unchanged, self._workspace, arrived))
        except ClaimLost:
            # Which one is lost shows where each is saved.
            return arrived

    def _is_intact(self, done: Done[DownloadedImage, ProcessedImage]) -> bool:
        step = partial(stages.is_intact, self._workspace, done.item.entry, done.result)
        return retry(self._workspace.settings, step)

    def _note(self, stage: Stage, failed: Sequence[tuple[Named, object]]) -> None:
        told = [(named, error) for named, error in failed if not isinstance(error, (ClaimLost, ResultGone))]
        self.problems += [problem_of(stage, named, error) for named, error in told]


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


def claimed(workspace: Workspace, maps: StageMaps, sizes: Iterator[int]) -> Iterator[Window]:
    """Windows of these sizes, each claimed when it is asked for, until nothing is left that nobody works on.

    Raises `StaleAttempt`, `TransientError`.
    """
    for size in sizes:
        entries = retry(workspace.settings, partial(stages.claim, workspace, size))
        if not entries:
            return
        yield Window(workspace, maps, entries)


def window_sizes(largest: int) -> Iterator[int]:
    """8, 16, 32 and so on, and from then on `largest`, without end."""
    size = min(FIRST_WINDOW, largest)
    while True:
        yield size
        size = min(2 * size, largest)
