"""Maps of the stages over a window of images, in threads of each stage's kind, and what comes out of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, cast

from prefect import Task, unmapped
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from gallery.errors import IngestError, Reason, RejectedImage, StaleAttempt
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, Entry, EntryProblem, ProcessedImage, SaveReceipt, Stage
from tasks.cleanup import cleanup
from tasks.download import download
from tasks.policies import retry_options
from tasks.process import process
from tasks.result_storage import BLOCK_NAME, LibraryResultStorage
from tasks.save import save
from tasks.tuning import collect_now_and_then

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settled(Generic[R]):
    """A stage of a window, done: each result with its entry, and a problem for each entry that has none."""

    results: list[tuple[Entry, R]]
    problems: list[EntryProblem]


class StageMap(Generic[R]):
    """A stage that is under way over a window; `threads` end with it."""

    def __init__(
        self, stage: Stage, entries: Sequence[Entry], futures: Sequence[PrefectFuture[R]], threads: ExitStack
    ) -> None:
        self.stage, self.entries, self.futures, self.threads = stage, entries, futures, threads

    def settle(self) -> Settled[R]:
        """Wait for all, and tell results from problems, by the futures themselves: the server's view lags.

        Results leave here resolved, since an unresolved future would cost the next stage's task run a request.
        Raises `StaleAttempt` where a newer attempt has taken over.
        """
        settled: Settled[R] = Settled([], [])
        for entry, future in zip(self.entries, self.futures, strict=True):
            result: Any = future.result(raise_on_failure=False)
            if future.state.is_completed():
                settled.results.append((entry, result))
            elif isinstance(result, StaleAttempt):
                raise result
            else:
                settled.problems.append(_problem(self.stage, entry, result))
        self.threads.close()
        return settled

    def cached(self) -> set[int]:
        """Numbers of the settled entries whose result came from the cache."""
        pairs = zip(self.entries, self.futures, strict=True)
        return {entry.number for entry, future in pairs if future.state.name == "Cached"}


class ProcessMap:
    """Process, under way over a window."""

    def __init__(
        self,
        images: Sequence[DownloadedImage],
        under_way: StageMap[ProcessedImage],
        settle: Callable[[StageMap[ProcessedImage], Sequence[DownloadedImage]], Settled[ProcessedImage]],
    ) -> None:
        self._images, self._under_way, self._settle = images, under_way, settle

    def settle(self) -> Settled[ProcessedImage]:
        """Wait for all; results from the cache count only where their renditions are still there.

        Raises `StaleAttempt` where a newer attempt has taken over.
        """
        settled = self._settle(self._under_way, self._images)
        for image in self._images:
            image.path.unlink(missing_ok=True)
        return settled


class StageMaps:
    """Starts maps of the four stages, with the run's retry policy. Use it as a context manager.

    Maps of what waits on the network have threads of their own, `connections` each. Those of process share theirs,
    twice `processors`, so that one image's renditions are put away while the next is decoded; a window that is begun
    while another is under way queues behind it.
    """

    def __init__(self, workspace: Workspace) -> None:
        settings = workspace.settings
        options = retry_options(settings)
        self._workspace = workspace
        self._connections = settings.connections
        self._download = download.with_options(**options)
        # A loaded block: given by name, it would cost every task run two requests.
        results = cast(LibraryResultStorage, LibraryResultStorage.load(BLOCK_NAME))
        # The cache's keys are this upload's own: its first attempt need not look, a request an image.
        past_cache = workspace.attempt.force or workspace.attempt.number == 1
        self._process = process.with_options(**options, result_storage=results, refresh_cache=past_cache)
        self._save = save.with_options(**options)
        self._cleanup = cleanup.with_options(**options)
        # Prefect's task runner keeps something of each task run until it ends, and a run may have many thousands: for
        # process, of which there is one runner, it is 1 KB.
        self._processors: ThreadPoolTaskRunner[ProcessedImage] = ThreadPoolTaskRunner(2 * settings.processors)
        # At most four others are under way: downloads of a window, saves of two, and cleanups.
        self._threads: deque[ExitStack] = deque(maxlen=8)
        self._links: deque[frozenset[int]] = deque([frozenset(), frozenset()])

    def __enter__(self) -> Self:
        self._processors.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for threads in self._threads:
            threads.close()
        self._processors.__exit__(kind, error, trace)

    def forget(self) -> None:
        """Let go of what Prefect keeps of former windows' results, to tell which task run had which result.

        Called at the end of each window. What is there now goes at the end of the window after the next, when all that
        it was passed on to is done.
        """
        if (context := FlowRunContext.get()) is not None:
            for link in self._links.popleft():
                context.run_results.pop(link, None)
            self._links.append(frozenset(context.run_results))
            context.task_run_assets.clear()
        collect_now_and_then()

    def download(self, entries: Sequence[Entry]) -> StageMap[DownloadedImage]:
        """Begin to download a window."""
        return self._start("download", self._download, entries, entry=entries)

    def process(self, images: Sequence[DownloadedImage]) -> ProcessMap:
        """Begin to process a window's downloads, behind those of windows that are in process already."""
        return ProcessMap(images, self._start_process(self._process, images), self._settle_process)

    def save(self, processed: Sequence[tuple[Entry, ProcessedImage]]) -> StageMap[SaveReceipt]:
        """Begin to save what was processed."""
        entries = [entry for entry, _ in processed]
        images = [image for _, image in processed]
        return self._start("save", self._save, entries, entry=entries, image=images)

    def cleanup(self, saved: Sequence[tuple[Entry, SaveReceipt]]) -> StageMap[int]:
        """Begin to clean up after the saves that list something to delete, and after no other."""
        due = [(entry, receipt) for entry, receipt in saved if receipt.deletions]
        entries, receipts = [entry for entry, _ in due], [receipt for _, receipt in due]
        return self._start("cleanup", self._cleanup, entries, receipt=receipts)

    def _start_process(
        self, task: Task[..., ProcessedImage], images: Sequence[DownloadedImage]
    ) -> StageMap[ProcessedImage]:
        entries = [image.entry for image in images]
        return self._map("process", self._processors, ExitStack(), task, entries, image=images)

    def _settle_process(
        self, under_way: StageMap[ProcessedImage], images: Sequence[DownloadedImage]
    ) -> Settled[ProcessedImage]:
        settled = under_way.settle()
        cached = under_way.cached()
        lost = {
            entry.number
            for entry, result in settled.results
            if entry.number in cached and not stages.is_intact(self._workspace, result)
        }
        if not lost:
            return settled
        redone = [image for image in images if image.entry.number in lost]
        again = self._settle_process(
            self._start_process(self._process.with_options(refresh_cache=True), redone), redone
        )
        kept = [(entry, result) for entry, result in settled.results if entry.number not in lost]
        return Settled(kept + again.results, settled.problems + again.problems)

    def _start(
        self, stage: Stage, task: Task[..., R], entries: Sequence[Entry], **mapped: Sequence[Any]
    ) -> StageMap[R]:
        threads = ExitStack()
        self._threads.append(threads)
        runner: ThreadPoolTaskRunner[R] = threads.enter_context(ThreadPoolTaskRunner(self._connections))
        return self._map(stage, runner, threads, task, entries, **mapped)

    def _map(
        self,
        stage: Stage,
        runner: ThreadPoolTaskRunner[R],
        threads: ExitStack,
        task: Task[..., R],
        entries: Sequence[Entry],
        **mapped: Sequence[Any],
    ) -> StageMap[R]:
        # The same as task.map(...), in the threads of our choice.
        parameters: dict[str, Any] = {"workspace": unmapped(self._workspace), **mapped}
        futures = cast(list[PrefectFuture[R]], runner.map(task, parameters) if entries else [])
        return StageMap(stage, entries, futures, threads)


def _problem(stage: Stage, entry: Entry, error: object) -> EntryProblem:
    return EntryProblem(entry.number, entry.file_name, stage=stage, **fault(error))


class Fault(TypedDict):
    """What a task's error means for its image: outcome, reason, and in words."""

    outcome: Literal["rejected", "failed"]
    reason: Reason
    message: str


def fault(error: object) -> Fault:
    """What became of an image whose task has raised this."""
    if isinstance(error, IngestError):
        outcome: Literal["rejected", "failed"] = "rejected" if isinstance(error, RejectedImage) else "failed"
        return Fault(outcome=outcome, reason=error.reason, message=str(error))
    # A defect, or a full disk. By its type alone: what a foreign error says may be anything.
    message = f"{type(error).__name__}: the run's log has the details"
    return Fault(outcome="failed", reason="internal_error", message=message)
