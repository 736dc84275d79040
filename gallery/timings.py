"""What an attempt spends on each entry: seconds by stage, tries, bytes. Kept in memory until the entry's outcome is
written, and written in that same transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gallery.models import ProcessedImage, Stage

CAMERA_LENGTH = 200


def camera(metadata: Mapping[str, Any]) -> str | None:
    """Make and model as one name: most makers repeat themselves in the model (`Canon`, `Canon EOS R5`)."""
    make, model = (str(metadata.get(name) or "") for name in ("camera_make", "camera_model"))
    named = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return named.strip()[:CAMERA_LENGTH] or None


@dataclass(slots=True)
class Timing:
    """One entry's share of an attempt. Worked on by one thread at a time."""

    bytes_in: int = 0
    """Downloaded, in bytes."""
    processed: ProcessedImage | None = None
    """What process delivered or the cache had; known from save on."""
    camera: str | None = None
    """Of a rejected file, where its EXIF still says it."""
    tries: dict[Stage, int] = field(default_factory=dict)
    _seconds: dict[Stage, float] = field(default_factory=dict)
    _under_way: tuple[Stage, float] | None = None

    def begin(self, stage: Stage) -> None:
        """A try of `stage` begins now."""
        self.tries[stage] = self.tries.get(stage, 0) + 1
        self._under_way = stage, time.monotonic()

    def end(self, stage: Stage) -> None:
        """The try that is under way has ended, one way or the other."""
        self._seconds[stage] = self.seconds(stage) or 0.0
        self._under_way = None

    def seconds(self, stage: Stage) -> float | None:
        """Spent in all tries of `stage`, the one under way included, without the pauses between; None: not begun."""
        spent = self._seconds.get(stage)
        if self._under_way is not None and self._under_way[0] == stage:
            return (spent or 0.0) + time.monotonic() - self._under_way[1]
        return spent

    @property
    def retries(self) -> int:
        """Tries beyond the first, over all stages."""
        return sum(self.tries.values()) - len(self.tries)

    @property
    def process_cached(self) -> bool | None:
        """Whether the renditions came from an earlier attempt; None where process was not reached."""
        if "process" in self.tries:
            return False
        return None if self.processed is None else True


class Timings(dict[int, Timing]):
    """The timings of an attempt's entries that are under way, by entry number. Safe to use from many threads."""

    @contextmanager
    def measure(self, number: int, stage: Stage) -> Iterator[Timing]:
        """Count and time one try of `stage`, also one that raises."""
        timing = self.setdefault(number, Timing())
        timing.begin(stage)
        try:
            yield timing
        finally:
            timing.end(stage)

    def forget(self, numbers: Iterable[int]) -> None:
        """Let go of entries whose timing has been written, so that memory stays flat."""
        for number in numbers:
            self.pop(number, None)
