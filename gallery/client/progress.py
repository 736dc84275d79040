"""How far a long job is, told on stderr: bars for a person at a terminal, plain lines for a log, or nothing.

A job is a row of steps; a step counts up to its total. stdout is left to results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Literal, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from gallery.amounts import bytes_in_words, count_in_words

Unit = Literal["bytes", "images"]
LINES_PER_STEP = 10


class JobProgress(Protocol):
    """What a long job reports to, from one thread. Use it as a context manager."""

    def step(self, title: str, total: int, unit: Unit) -> None:
        """Begin the next step."""

    def advance(self, done: int, detail: str = "") -> None:
        """The current step has come to `done` of its total; `detail` says more in a few words."""

    def note(self, message: str) -> None:
        """Something a person should know: one line."""

    def paused(self) -> AbstractContextManager[None]:
        """While a person is asked something: nothing else is written, and finished steps are forgotten."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NoProgress:
    """Tells nothing."""

    def step(self, title: str, total: int, unit: Unit) -> None:
        pass

    def advance(self, done: int, detail: str = "") -> None:
        pass

    def note(self, message: str) -> None:
        pass

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class LineProgress(NoProgress):
    """Plain lines: a step's beginning, about every tenth of it, and what is said while it stands still."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title, self._total, self._told = "", 0, 0
        self._last = (0, "")

    def step(self, title: str, total: int, unit: Unit) -> None:
        self._title, self._total, self._told = title, total, 0
        self._last = (0, "")
        self._line(f"{title}: {_amount(total, unit)}")

    def advance(self, done: int, detail: str = "") -> None:
        tenth = LINES_PER_STEP * done // max(self._total, 1)
        stands_still = self._last[0] == done and self._last[1] != detail
        self._last = (done, detail)
        if tenth > self._told or stands_still:
            self._told = tenth
            percent = min(100 * done // max(self._total, 1), 100)
            self._line(f"{self._title}: {percent} %" + (f", {detail}" if detail else ""))

    def note(self, message: str) -> None:
        self._line(message)

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class BarProgress:
    """A bar per step, on a terminal."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            _AmountColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
        )
        self._step: TaskID | None = None

    def step(self, title: str, total: int, unit: Unit) -> None:
        if self._step is not None:
            self._bars.stop_task(self._step)
        self._step = self._bars.add_task(title, total=total, detail="", unit=unit)

    def advance(self, done: int, detail: str = "") -> None:
        if self._step is not None:
            self._bars.update(self._step, completed=done, detail=detail)

    def note(self, message: str) -> None:
        self._bars.console.print(Text(message))

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._bars.stop()
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._step = None
        try:
            yield
        finally:
            self._bars.start()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


class _AmountColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        total, unit = int(task.total or 0), task.fields["unit"]
        done = int(task.completed)
        shown = _amount(done, unit) if unit == "bytes" else f"{done:,}"
        return Text(f"{shown} of {_amount(total, unit)}")


def progress_on(stream: TextIO | None = None, *, quiet: bool = False) -> JobProgress:
    """The progress that suits `stream` (default: stderr): bars, lines, or nothing where `quiet`."""
    stream = stream or sys.stderr
    if quiet:
        return NoProgress()
    console = Console(file=stream)
    return BarProgress(console) if console.is_terminal else LineProgress(stream)


def _amount(number: int, unit: Unit) -> str:
    return count_in_words(number, "image") if unit == "images" else bytes_in_words(number)
