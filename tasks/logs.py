"""What a run's log has: what `gallery` says, and of what Prefect says a line for each problem and each cause."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from threading import Lock
from types import TracebackType

from prefect.exceptions import CancelledRun, FailedRun

from gallery.errors import GalleryError, IngestError
from gallery.ingest import report as faults


def set_up_logs() -> None:
    """Log what `gallery` warns of; no line for a task run that ended well, one line a cause for those that did not, and
    no traceback for a flow that returned a failed or cancelled state; for this process.

    The flow itself says of each image what became of it. Of thousands of task runs, the few lines that matter would not
    be found among all the others, and to log them costs 2 % of a run's time.
    """
    # Prefect says nothing of an error after which a task is not tried again; the images' faults do, if it is a defect.
    once = OnceForEachCause()
    for name in ("prefect.task_runs", faults.__name__):
        logging.getLogger(name).addFilter(once)
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_is_no_returned_state)
    # As Prefect does for PREFECT_LOGGING_EXTRA_LOGGERS, which nobody has to set.
    ours = logging.getLogger("gallery")
    for handler in logging.getLogger("prefect.extra").handlers:
        ours.addHandler(handler)


class OnceForEachCause(logging.Filter):
    """Of what task runs have logged about errors, keeps the first line of each cause; a traceback for defects only."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._seen: set[Hashable] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        text = record.getMessage()
        if text.startswith("Finished in state "):
            return record.levelno > logging.INFO and not text.startswith("Finished in state Failed")
        error = _error_of(record)
        if error is None:
            return True
        if record.exc_info and isinstance(error, GalleryError):
            # Raised on purpose: the flow's line has all that a person needs.
            return False
        with self._lock:
            is_first = (cause := _cause_of(error)) not in self._seen
            self._seen.add(cause)
        return is_first


def _is_no_returned_state(record: logging.LogRecord) -> bool:
    # Prefect's engine raises what a flow has returned as `Failed` or `Cancelled`, and logs that with a traceback.
    return not isinstance(_error_of(record), (FailedRun, CancelledRun))


def _error_of(record: logging.LogRecord) -> BaseException | None:
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    args = record.args if isinstance(record.args, tuple) else ()
    return next((arg for arg in args if isinstance(arg, BaseException)), None)


def _cause_of(error: BaseException) -> Hashable:
    """Equal for errors that a person would take for the same trouble."""
    if isinstance(error, IngestError):
        return error.reason
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return type(error), last and (last.tb_frame.f_code.co_filename, last.tb_lineno)
