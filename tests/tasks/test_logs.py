"""What a run's log has of task runs that failed: a line a cause, and a traceback for defects alone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from prefect.exceptions import CancelledRun, FailedRun

from gallery.errors import RejectedImage, TransientError
from tasks.logs import OnceForEachCause, set_up_logs


@pytest.fixture
def log() -> OnceForEachCause:
    return OnceForEachCause()


def line(level: int, message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    """As Prefect's engine logs it; with a traceback where it was given the error."""
    trace = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("prefect.task_runs").makeRecord("", level, "file", 1, message, args, trace)


def retry_of(error: Exception, number: int = 1) -> logging.LogRecord:
    text = "Task run failed with %s: %r - Retry %s/%s will start %s"
    return line(logging.INFO, text, "exception", error, number, 4, "2 second(s) from now")


def last_try(error: Exception) -> logging.LogRecord:
    return line(logging.ERROR, "Task run failed with exception: ... - Retries are exhausted", error=error)


@pytest.mark.parametrize(
    ("level", "message", "kept"),
    [
        (logging.INFO, "Finished in state Completed()", False),
        (logging.INFO, "Finished in state Cached(type=COMPLETED)", False),
        (logging.ERROR, "Finished in state Failed('no')", False),
        (logging.ERROR, "Finished in state Crashed('killed')", True),
        (logging.INFO, "Created task run", True),
    ],
)
def test_how_a_task_run_ended_is_the_flow_s_to_tell(
    log: OnceForEachCause, level: int, message: str, kept: bool
) -> None:
    assert log.filter(line(level, message)) is kept


def test_a_cause_is_told_once_however_many_images_it_meets(log: OnceForEachCause) -> None:
    away = [TransientError("storage_unavailable", f"upload of {number}.jpg: SlowDown") for number in range(16)]
    told = [log.filter(retry_of(error, number)) for error in away for number in (1, 2, 3, 4)]
    assert told.count(True) == 1
    assert told[0]
    assert log.filter(retry_of(TransientError("database_unavailable", "no answer")))


@pytest.mark.parametrize(
    "error",
    [TransientError("storage_unavailable", "away"), RejectedImage("truncated", "the file is cut off")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_raised_on_purpose_has_no_traceback(log: OnceForEachCause, error: Exception) -> None:
    assert not log.filter(last_try(error))


def test_a_defect_has_one_traceback_for_each_place_where_it_happens(log: OnceForEachCause) -> None:
    def here() -> Exception:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            error = sys.exc_info()[1]
            assert isinstance(error, Exception)
            return error

    def there() -> Exception:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            return error

    assert [log.filter(last_try(make())) for make in (here, here, there, here, there)] == [
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.fixture
def set_up() -> Iterator[None]:
    """What `set_up_logs` does, for the length of a test."""
    names = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine", "gallery", "gallery.ingest.report")
    before = {name: (list(logging.getLogger(name).filters), list(logging.getLogger(name).handlers)) for name in names}
    set_up_logs()
    yield
    for name, (filters, handlers) in before.items():
        logging.getLogger(name).filters[:], logging.getLogger(name).handlers[:] = filters, handlers


@pytest.mark.usefixtures("set_up")
@pytest.mark.parametrize("logger", ["prefect.flow_runs", "prefect.engine"])
@pytest.mark.parametrize(
    ("error", "kept"),
    [(FailedRun("3 of 4 saved"), False), (CancelledRun("Overtaken by run 7"), False), (ZeroDivisionError(), True)],
    ids=["failed", "cancelled", "defect"],
)
def test_a_state_that_a_flow_returned_has_no_traceback(logger: str, error: Exception, kept: bool) -> None:
    assert bool(logging.getLogger(logger).filter(line(logging.ERROR, "Engine execution exited", error=error))) is kept


@pytest.mark.usefixtures("set_up")
def test_a_defect_is_logged_with_its_traceback_once_by_whoever_meets_it_first() -> None:
    def meet(error: Exception) -> tuple[bool, bool]:
        record = line(logging.ERROR, "a defect: %r", error, error=error)
        first, second = (
            logging.getLogger(name).filter(record) for name in ("gallery.ingest.report", "prefect.task_runs")
        )
        return bool(first), bool(second)

    assert meet(ZeroDivisionError()) == (True, False)
    assert meet(ZeroDivisionError()) == (False, False)
    assert meet(TransientError("storage_unavailable", "away")) == (False, False)
