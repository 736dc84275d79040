"""A stale run says nothing that could be taken for the newer attempt's."""

from __future__ import annotations

import logging
from typing import NoReturn
from uuid import UUID, uuid4

import pytest

from gallery.errors import StaleAttempt, StaleUpkeep, TransientError
from gallery.settings import Settings
from tasks import stale
from tests.test_settings import GOOD

RUN = uuid4()
ERROR = StaleAttempt("u", 1)


class Exited(BaseException):
    pass


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def leave() -> NoReturn:
        raise Exited

    monkeypatch.setattr(stale, "get_run_logger", lambda: logging.getLogger("a run"))
    monkeypatch.setattr(stale, "exit_without_a_state", leave)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(RUN))
    return monkeypatch


def taken_over_by(given: pytest.MonkeyPatch, successor: UUID | Exception | None) -> None:
    def current_run(settings: Settings, upload_id: str) -> UUID | None:
        if isinstance(successor, Exception):
            raise successor
        return successor

    given.setattr("gallery.ingest.stages.current_run", current_run)


def test_overtaken_by_another_run_it_ends_cancelled(given: pytest.MonkeyPatch) -> None:
    other = uuid4()
    taken_over_by(given, other)
    state = stale.end_stale_run(Settings.from_environment(GOOD), RUN, ERROR)
    assert state.is_cancelled()
    assert str(other) in (state.message or "")


@pytest.mark.parametrize(
    "successor",
    [RUN, None, TransientError("database_unavailable", "away")],
    ids=["the same run", "no run", "the database is away"],
)
def test_where_the_same_run_goes_on_elsewhere_it_exits_without_a_state(
    given: pytest.MonkeyPatch, successor: UUID | Exception | None
) -> None:
    taken_over_by(given, successor)
    with pytest.raises(Exited):
        stale.end_stale_run(Settings.from_environment(GOOD), RUN, ERROR)


def test_a_process_that_is_not_the_runs_own_is_never_ended(given: pytest.MonkeyPatch) -> None:
    taken_over_by(given, RUN)
    given.delenv("PREFECT__FLOW_RUN_ID")
    with pytest.raises(StaleAttempt):
        stale.end_stale_run(Settings.from_environment(GOOD), RUN, ERROR)


def test_a_stale_rebuild_or_sweep_leaves_the_run_to_the_newer_attempt(given: pytest.MonkeyPatch) -> None:
    error = StaleUpkeep("overtaken")
    with pytest.raises(Exited):
        stale.leave_to_the_newer(RUN, error)
    given.delenv("PREFECT__FLOW_RUN_ID")
    with pytest.raises(StaleUpkeep):
        stale.leave_to_the_newer(RUN, error)
