"""A stage over the images of a window, on Prefect's task runners, and what comes out of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from prefect import Task, unmapped
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, Entry, ProcessedImage, SaveReceipt
from tasks.stage_tasks import StageTasks

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """The result of one item's task run; `is_cached` where an earlier run made it."""

    item: T
    result: R
    is_cached: bool


@dataclass(frozen=True, slots=True)
class Settled(Generic[T, R]):
    """A map that is over: what is done, and each other item with its error. Both in the order of the items."""

    done: list[Done[T, R]]
    failed: list[tuple[T, object]]

    @property
    def results(self) -> list[R]:
        """The results alone."""
        return [done.result for done in self.done]


class StageMap(Generic[T, R]):
    """A task that is under way for each of `items`; `threads` end with it."""

    def __init__(self, items: Sequence[T], futures: Sequence[PrefectFuture[R]], threads: ExitStack) -> None:
        self._items, self._futures, self._threads = items, futures, threads

    def settle(self) -> Settled[T, R]:
        """Wait for all, and tell results from errors, by the futures themselves: the server's view lags.

        Results leave here resolved, since an unresolved future would cost the next stage's task run a request.
        """
        settled: Settled[T, R] = Settled([], [])
        for item, future in zip(self._items, self._futures, strict=True):
            result: Any = future.result(raise_on_failure=False)
            if future.state.is_completed():
                settled.done.append(Done(item, result, is_cached=future.state.name == "Cached"))
            else:
                settled.failed.append((item, result))
        self._threads.close()
        return settled


def start_map(
    task: Task[..., R],
    items: Sequence[T],
    runner: ThreadPoolTaskRunner[R],
    *,
    threads: ExitStack | None = None,
    shared: dict[str, Any],
    mapped: dict[str, Sequence[Any]],
) -> StageMap[T, R]:
    """Submit `task` once for each of `items`; `shared` arguments are the same for all, `mapped` ones have one each.

    `threads` are closed once the map is settled.
    """
    # The same as task.map(...), in the threads of our choice.
    parameters: dict[str, Any] = {name: unmapped(value) for name, value in shared.items()} | mapped
    futures = cast(list[PrefectFuture[R]], runner.map(task, parameters) if items else [])
    return StageMap(items, futures, threads or ExitStack())


class StageMaps:
    """Starts maps of the four stages of a run. Use it as a context manager.

    Maps of what waits on the network have threads of their own, `connections` each. Those of process share theirs,
    twice `processors`, so that one image's renditions are put away while the next is decoded; a window that is begun
    while another is under way queues behind it.
    """

    def __init__(self, workspace: Workspace, tasks: StageTasks) -> None:
        self._shared = {"workspace": workspace}
        self._tasks = tasks
        self._connections = workspace.settings.connections
        # Prefect's task runner keeps something of each task run until it ends, and a run may have many thousands: for
        # process, of which there is one runner, it is 1 KB.
        self._processors: ThreadPoolTaskRunner[ProcessedImage] = ThreadPoolTaskRunner(2 * workspace.settings.processors)
        # At most four others are under way: downloads of a window, saves of two, and cleanups.
        self._threads: deque[ExitStack] = deque(maxlen=8)

    def __enter__(self) -> Self:
        self._processors.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for threads in self._threads:
            threads.close()
        self._processors.__exit__(kind, error, trace)

    def download(self, entries: Sequence[Entry]) -> StageMap[Entry, DownloadedImage]:
        """Start to download entries."""
        return self._start(self._tasks.download, entries, entry=entries)

    def process(
        self, images: Sequence[DownloadedImage], *, past_cache: bool = False
    ) -> StageMap[DownloadedImage, ProcessedImage]:
        """Start to process downloads, behind those of windows that are in process already."""
        task = self._tasks.process_past_cache if past_cache else self._tasks.process
        return start_map(task, images, self._processors, shared=self._shared, mapped={"image": images})

    def save(self, processed: Sequence[tuple[Entry, ProcessedImage]]) -> StageMap[Entry, SaveReceipt]:
        """Start to save what was processed."""
        entries = [entry for entry, _ in processed]
        return self._start(self._tasks.save, entries, entry=entries, image=[image for _, image in processed])

    def cleanup(self, receipts: Sequence[SaveReceipt]) -> StageMap[SaveReceipt, int]:
        """Start to clean up after saves."""
        return self._start(self._tasks.cleanup, receipts, receipt=receipts)

    def _start(self, task: Task[..., R], items: Sequence[T], **mapped: Sequence[Any]) -> StageMap[T, R]:
        threads = ExitStack()
        self._threads.append(threads)
        runner: ThreadPoolTaskRunner[R] = threads.enter_context(ThreadPoolTaskRunner(self._connections))
        return start_map(task, items, runner, threads=threads, shared=self._shared, mapped=mapped)
