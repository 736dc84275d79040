"""Threads that work off what the catalogue says is due: at once when woken, and whatever is left, again and again.

They work from what is stored, so that it does not matter which process stored it, whether that one still lives, or
whether the other side answered then; and each takes with SKIP LOCKED, so that any number of API processes share.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

from gallery import runs
from gallery.catalogue import arrivals, outbox, uploads
from gallery.catalogue.connect import transaction
from gallery.errors import PrefectUnavailable, StagedFileError, TransientError
from gallery.storage.keys import upload_prefix
from gallery.storage.s3 import Storage

log = logging.getLogger("gallery.api")
# Seconds between looks; a wake-up makes the usual case prompt.
LOOK_EVERY = 2.0
# Seconds from one start to the next. A burst of uploads makes no haste: few of their runs may work at the same time,
# and Prefect's server, which takes 50 ms of a processor for each, has those to record that do.
BETWEEN_STARTS = 0.1
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
            except Exception:
                # This thread must outlive any defect: without it nothing happens.
                log.exception("%s met an unexpected error and goes on", self._name)
        self._close()


def starter(engine: Engine) -> Worker:
    """Starts the runs of accepted uploads."""
    prefect = runs.RunStarter()
    failed = False

    def step() -> bool:
        nonlocal failed
        if failed:
            # Take nothing that another process, which reaches Prefect, could start at once.
            runs.check_reachable()
            failed = False
        with transaction(engine) as session:
            due = uploads.claim_due_starts(session, limit=1)
        if not due:
            return False
        upload_id = due[0].upload_id
        failed = True
        flow_run_id = prefect.start(due[0])
        failed = False
        with transaction(engine) as session:
            state = uploads.started(session, upload_id, flow_run_id)
        log.info("upload %s: run %s", upload_id, flow_run_id, extra={"upload_id": upload_id})
        if state == "cancelled":
            runs.cancel_run(flow_run_id)
        time.sleep(BETWEEN_STARTS)
        return True

    return Worker("starter of runs", step, close=prefect.close)


def reconciler(engine: Engine, storage: Storage, starts: Worker) -> Worker:
    """Completes open uploads whose files have all arrived, and expires those that never will be whole."""

    def step() -> bool:
        with transaction(engine) as session:
            due = arrivals.claim_open(session)
        if not due:
            return False
        upload = due[0]
        staged = {item.key: item for item in storage.list_staged(upload_prefix(upload.gallery_id, upload.upload_id))}
        with transaction(engine) as session:
            state = arrivals.settle_open(session, upload.upload_id, staged)
        if state == "accepted":
            starts.wake()
        if state != "open":
            log.info("upload %s: %s", upload.upload_id, state, extra={"upload_id": upload.upload_id})
        return True

    return Worker("reconciler of open uploads", step)


def deleter(engine: Engine, storage: Storage) -> Worker:
    """Deletes the objects of images and galleries that callers have deleted."""

    def step() -> bool:
        with transaction(engine) as session:
            due = outbox.claim_requested(session)
        if not due:
            return False
        storage.delete(due)
        with transaction(engine) as session:
            outbox.mark_done(session, due)
        return True

    return Worker("deletions", step)
