"""Threads that work off what the catalogue says is due: at once when woken, and whatever is left, again and again.

They work from what is stored, so that it does not matter which process stored it, whether that one still lives, or
whether the other side answered then; and each takes with SKIP LOCKED, so that any number of API processes share.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gallery.errors import DeletionRefused, PrefectUnavailable, StagedFileError, TransientError

log = logging.getLogger("gallery.api")
# Seconds between looks; a wake-up makes the usual case prompt.
LOOK_EVERY = 2.0
# Seconds that the end of the process waits for a step under way.
LAST_STEP = 10


class Worker:
    """A thread that calls `step` until it says that nothing more is due, then waits for a wake-up or some seconds.

    One kind of work a thread: a receiver of callbacks that takes its time holds up no start.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], bool],
        *,
        close: Callable[[], None] = lambda: None,
        every: float = LOOK_EVERY,
    ) -> None:
        self._name, self._step, self._close, self._every = name, step, close, every
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: something has become due."""
        self._wake.set()

    def finish(self) -> None:
        """Begin nothing new."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Finish what is under way and end."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(timeout=LAST_STEP)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._every)
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._step():
                    pass
            except (PrefectUnavailable, TransientError, StagedFileError) as error:
                log.warning("%s cannot go on just now: %s", self._name, error)
            except DeletionRefused as error:
                log.warning("%s", error)
            except Exception:
                # This thread must outlive any defect: without it nothing happens.
                log.exception("%s met an unexpected error and goes on", self._name)
        self._close()
