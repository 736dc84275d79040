"""CPU seconds and memory of process trees, and how long they take to fall quiet. Linux only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.2
MIB = 1024 * 1024
# Of all servers together, in processors: Prefect's and the API's own loops take about as much when nothing runs.
QUIET = 0.15
QUIET_SECONDS = 1.0


def tree(root: int) -> list[psutil.Process]:
    """A process and its descendants that are alive; none where it has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    return []


def cpu_seconds(root: int) -> float:
    """User and system time of a process and of all its descendants, those that have ended included.

    A live process counts with its own time and with that of the children it has waited for (`cutime` and `cstime`
    of proc(5), which hold their ended descendants in turn). Lost is only who ends unwaited for, or while this reads.
    """
    seconds = 0.0
    for process in tree(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def cpu_of(roots: Mapping[str, int]) -> dict[str, float]:
    """`cpu_seconds` of each tree, by name."""
    return {name: cpu_seconds(root) for name, root in roots.items()}


def machine_cpu_seconds() -> float:
    """What all programs of this machine have used of its processors since it started."""
    times = psutil.cpu_times()
    # `user` has the guests' time already.
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def resident_mb(root: int) -> float:
    """MiB of memory of a process and its descendants: the sum of their proportional set sizes.

    PSS counts a page that n processes share as an nth for each; a sum of RSS would count it n times.
    """
    total = 0
    for process in tree(root):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total / MIB


class PeakMemory:
    """The largest `resident_mb` of a tree, sampled all the while. Use it as a context manager."""

    def __init__(self, root: int) -> None:
        self.mb = 0.0
        self._root = root
        self._ended = Event()
        self._thread = Thread(target=self._sample, name="peak-memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.mb = max(self.mb, resident_mb(self._root))
            if self._ended.wait(SAMPLE_SECONDS):
                return


def wait_until(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask until it is so. Raises `TimeoutError` that names what was waited for."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.05)


def wait_until_quiet(roots: Mapping[str, int], seconds: float = 60.0) -> None:
    """Wait until these trees together hardly work, so that what they still have to do is charged to its cause.

    Raises `TimeoutError`.
    """
    end = time.monotonic() + seconds
    while True:
        before, began = sum(cpu_of(roots).values()), time.monotonic()
        time.sleep(QUIET_SECONDS)
        if (sum(cpu_of(roots).values()) - before) / (time.monotonic() - began) <= QUIET:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"{', '.join(roots)} still work after {seconds:.0f} s")
