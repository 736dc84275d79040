"""What a run's log leaves out, and when garbage is collected."""

from __future__ import annotations

import gc
import logging

import pytest

from tasks import tuning


@pytest.fixture
def as_before() -> object:
    logger, threshold = logging.getLogger("prefect.task_runs"), gc.get_threshold()
    filters = list(logger.filters)
    yield None
    logger.filters[:] = filters
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    ("level", "message", "kept"),
    [
        (logging.INFO, "Finished in state Completed()", False),
        (logging.INFO, "Created task run", True),
        (logging.ERROR, "Finished in state Failed('no')", True),
        (logging.WARNING, "Retry 1/2 will start 1 second from now", True),
    ],
)
def test_only_lines_of_task_runs_that_ended_well_are_left_out(level: int, message: str, kept: bool) -> None:
    tuning.tune_process()
    logger = logging.getLogger("prefect.task_runs")
    record = logger.makeRecord(logger.name, level, "file", 1, message, (), None)
    assert bool(logger.filter(record)) is kept


def test_garbage_is_collected_at_every_fourth_window(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    for _ in range(12):
        tuning.collect_garbage()
    assert len(collected) == 3
