"""Whether the parts that the API needs answer, told within seconds also where one of them hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

# How long a readiness probe is kept waiting: less than the five seconds after which load balancers give up.
ANSWER_SECONDS = 3.0


class Readiness:
    """Asks parts whether they answer: side by side, and each at most once at a time.

    A part that hangs holds one thread, not one for each probe: it is asked again when it has answered or failed.
    """

    def __init__(self, parts: Mapping[str, Callable[[], None]]) -> None:
        self._parts = parts
        self._asked: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def failures(self, seconds: float = ANSWER_SECONDS) -> dict[str, BaseException]:
        """The parts that have failed, with their error, or have not answered for so long (`TimeoutError`)."""
        end = time.monotonic() + seconds
        with self._lock:
            for name, ask in self._parts.items():
                if name not in self._asked or self._asked[name].done():
                    self._asked[name] = _in_thread(name, ask)
            asked = dict(self._asked)
        failed = {}
        for name, answer in asked.items():
            try:
                error = answer.exception(timeout=max(0.0, end - time.monotonic()))
            except TimeoutError as timeout:
                error = timeout
            if error is not None:
                failed[name] = error
        return failed


def _in_thread(name: str, ask: Callable[[], None]) -> Future[None]:
    answer: Future[None] = Future()

    def run() -> None:
        try:
            ask()
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(None)

    # A pool's threads would keep the process from ending for as long as the part hangs.
    threading.Thread(target=run, name=f"readiness of {name}", daemon=True).start()
    return answer
