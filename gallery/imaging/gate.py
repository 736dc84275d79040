"""Keeps the sum of what is under way within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class NeedsMoreMemory(Exception):
    """Raised before decoding when the image takes more than the memory granted; `bytes` is what it takes."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.bytes = needed


class WeightedGate:
    """Lets holders in, first come first served, while the sum of their weights stays within `capacity`.

    What weighs more than the capacity gets in alone, so that nothing waits for ever.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._queue: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def hold(self, weight: int) -> Iterator[None]:
        """Wait until `weight` fits, and hold it for the block."""
        weight, ticket = min(weight, self._capacity), object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._held + weight <= self._capacity)
                self._held += weight
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._held -= weight
                self._changed.notify_all()
