"""A rebuild or sweep whose retry has begun decides nothing more, and the history has each attempt as it was."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from gallery.catalogue.connect import transaction
from gallery.catalogue.maintenance import UpkeepAttempt, begin_maintenance, end_maintenance, finish_maintenance
from gallery.catalogue.tables import CallbackRow, MaintenanceRow
from gallery.errors import StaleUpkeep
from gallery.models import UploadState
from tests.catalogue.conftest import Catalogue

FLOW = "sweep-storage"


def begin(catalogue: Catalogue, flow_run_id: UUID) -> UpkeepAttempt:
    with transaction(catalogue.engine) as session:
        return begin_maintenance(session, flow_run_id=flow_run_id, flow_name=FLOW, gallery_id=None, requested_at=None)


def finish(catalogue: Catalogue, attempt: UpkeepAttempt, message: str) -> None:
    with transaction(catalogue.engine) as session:
        finish_maintenance(session, attempt, "completed", message, {"objects": 7})


def hold(catalogue: Catalogue, attempt: UpkeepAttempt) -> None:
    with transaction(catalogue.engine) as session:
        attempt.hold(session)


def end(catalogue: Catalogue, flow_run_id: UUID, state: UploadState) -> None:
    with transaction(catalogue.engine) as session:
        end_maintenance(session, flow_run_id, state, f"{flow_run_id} has ended")


def history(catalogue: Catalogue, flow_run_id: UUID) -> list[tuple[int, str, dict[str, int]]]:
    with transaction(catalogue.engine) as session:
        rows = select(MaintenanceRow.attempt, MaintenanceRow.state, MaintenanceRow.counts)
        mine = rows.where(MaintenanceRow.flow_run_id == flow_run_id).order_by(MaintenanceRow.attempt)
        return [tuple(row) for row in session.execute(mine)]


def test_an_attempt_whose_retry_has_begun_goes_no_further_and_reports_nothing(catalogue: Catalogue) -> None:
    run = uuid4()
    frozen = begin(catalogue, run)
    hold(catalogue, frozen)
    retried = begin(catalogue, run)
    with pytest.raises(StaleUpkeep, match="attempt 1 has been ended or overtaken"):
        hold(catalogue, frozen)
    with pytest.raises(StaleUpkeep):
        finish(catalogue, frozen, "swept")
    hold(catalogue, retried)
    finish(catalogue, retried, "swept again")
    with pytest.raises(StaleUpkeep):
        finish(catalogue, frozen, "swept")
    assert history(catalogue, run) == [(1, "crashed", {}), (2, "completed", {"objects": 7})]


@pytest.mark.parametrize("state", ["crashed", "cancelled"])
def test_one_that_others_have_ended_stops(catalogue: Catalogue, state: UploadState) -> None:
    run = uuid4()
    attempt = begin(catalogue, run)
    end(catalogue, run, state)
    with pytest.raises(StaleUpkeep):
        hold(catalogue, attempt)
    with pytest.raises(StaleUpkeep):
        finish(catalogue, attempt, "swept")
    assert history(catalogue, run) == [(1, state, {})]


def test_an_end_that_is_written_stays(catalogue: Catalogue) -> None:
    run = uuid4()
    attempt = begin(catalogue, run)
    finish(catalogue, attempt, "swept")
    # The answer of the commit was lost; the worker reports late.
    finish(catalogue, attempt, "swept")
    end(catalogue, run, "crashed")
    end(catalogue, uuid4(), "crashed")
    assert history(catalogue, run) == [(1, "completed", {"objects": 7})]


def test_ops_are_told_of_a_crash_once(catalogue: Catalogue) -> None:
    run = uuid4()
    begin(catalogue, run)
    end(catalogue, run, "crashed")
    end(catalogue, run, "crashed")
    with transaction(catalogue.engine) as session:
        told = session.scalars(select(CallbackRow.body).where(CallbackRow.type == "alert.upkeep_failed")).all()
    assert [body["message"] for body in told if str(run) in body["message"]] == [f"{FLOW} crashed: {run} has ended"]
