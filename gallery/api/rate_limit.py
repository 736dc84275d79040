"""A token bucket a key: so many requests a second, and as many at once after a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Seconds' worth of requests that may come at once.
BURST = 2.0
# Names that are kept; upload links bring one a gallery.
MOST_NAMES = 10_000


class RateLimit:
    """Counts per name, in this process; `per_second` 0 lets everything pass."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_second, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Seconds that `name` has to wait before its next request; 0 counts this one."""
        if self._rate == 0:
            return 0.0
        with self._lock:
            now = self._clock()
            most = self._rate * BURST
            if len(self._left) >= MOST_NAMES:
                # Whoever has paused for so long has a full bucket, which is what an unknown name has.
                self._left = {key: kept for key, kept in self._left.items() if now - kept[1] < BURST}
            left, since = self._left.get(name, (most, now))
            left = min(most, left + (now - since) * self._rate)
            taken = left >= 1
            self._left[name] = (left - 1 if taken else left, now)
        return 0.0 if taken else (1 - left) / self._rate
