"""Runs without an upload that have no process: rebuilds, sweeps, and ingests that were started by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine, func, insert, select

from gallery import runs
from gallery.api.background import stuck
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import CallbackRow, MaintenanceRow
from gallery.models import UploadState
from tests.api.test_watch import planned_run
from tests.journeys import Journeys, wait_until

SOON, LATER, NOW = timedelta(seconds=1), timedelta(hours=1), timedelta(0)


@pytest.fixture(autouse=True)
def reach_prefect(journeys: Journeys) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        yield


def test_a_run_without_an_upload_is_ended_so_that_its_queue_is_free(
    journeys: Journeys, engine: Engine, gallery_id: str
) -> None:
    claimed, unwanted, young = (planned_run(journeys, gallery_id) for _ in range(3))

    def says(run_id: UUID, state: str) -> None:
        body = {"state": {"type": state}, "force": True}
        journeys.prefect.post(f"/flow_runs/{run_id}/set_state", json=body).raise_for_status()

    says(claimed, "PENDING")
    says(unwanted, "RUNNING")
    says(unwanted, "CANCELLING")

    def are_stuck() -> bool | None:
        ages = {seen.flow_run_id: seen.age for seen in runs.look_for_claimed()}
        assert {claimed, unwanted} <= ages.keys()
        return all(ages[run_id] > SOON for run_id in (claimed, unwanted)) or None

    wait_until(are_stuck, "both to be stuck")
    says(young, "PENDING")
    stuck.end_strays(engine, {young}, SOON)
    states = [journeys.flow_run(run_id)["state"]["type"] for run_id in (claimed, unwanted, young)]
    says(young, "CANCELLED")
    assert states == ["CRASHED", "CANCELLED", "PENDING"]
    with transaction(engine) as session:
        told = session.scalars(
            select(CallbackRow.body["message"].astext).where(
                CallbackRow.type == "alert.run_stuck", CallbackRow.upload_id.is_(None)
            )
        ).all()
    name = journeys.flow_run(claimed)["name"]
    assert next(message for message in told if name in message).endswith("retry it in Prefect")


@pytest.mark.parametrize(
    ("last", "ended", "state"),
    [
        (None, None, "CRASHED"),
        ("completed", LATER, "CRASHED"),
        ("completed", NOW, "RUNNING"),
        ("running", None, "RUNNING"),
    ],
    ids=["never began", "ended long ago", "ended just now", "at work"],
)
def test_a_running_run_without_an_upload_and_without_a_process_is_ended(
    journeys: Journeys,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    gallery_id: str,
    last: UploadState | None,
    ended: timedelta | None,
    state: str,
) -> None:
    run_id = planned_run(journeys, gallery_id)
    with transaction(engine) as session:
        if last is not None:
            finished_at = None if ended is None else func.now() - ended
            row = {"attempt": 1, "flow_name": "sweep-storage", "state": last, "finished_at": finished_at}
            session.execute(insert(MaintenanceRow).values(flow_run_id=run_id, **row))
    journeys.prefect.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "RUNNING"}, "force": True})
    (seen,) = [one for one in runs.look_for_claimed() if one.flow_run_id == run_id]
    others = {one.flow_run_id for one in runs.look_for_claimed()} - {run_id}
    monkeypatch.setattr(runs, "look_for_claimed", lambda: [replace(seen, age=LATER)])
    stuck.end_strays(engine, others, SOON)
    assert journeys.flow_run(run_id)["state"]["type"] == state
    journeys.prefect.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "CANCELLED"}, "force": True})
