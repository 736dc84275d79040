"""What ends without a word: runs that only Prefect has heard of, workers that are gone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, delete, select

from gallery import runs
from gallery.api.background import watch
from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.claims import leave
from gallery.catalogue.conditions import note_condition
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import AttemptRow, CallbackRow, ConditionRow
from gallery.catalogue.uploads import DeclaredEntry, accept_staged, started
from gallery.errors import NotFoundError
from gallery.storage.keys import StagedKey
from tests.journeys import Journeys, wait_until
from tests.second_api import SecondApi


def upload_with_run(engine: Engine, gallery_id: str, upload_id: str, run_id: UUID, *, begun: bool) -> str:
    """An accepted upload of one file that was never staged, whose run is `run_id`."""
    with transaction(engine) as session:
        accept_staged(
            session,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=[DeclaredEntry("a.jpg", StagedKey(gallery_id, upload_id, "a.jpg").key)],
            trigger="api",
            requested_by="tests",
            metadata={},
        )
        started(session, upload_id, run_id)
        if begun:
            attempt = begin_attempt(session, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=run_id)
            # Its process is gone.
            leave(session, attempt.owner)
    return upload_id


def test_ends_that_only_prefect_knows_of_are_written_down(
    journeys: Journeys, second_api: SecondApi, engine: Engine, gallery_id: str
) -> None:
    deployment = journeys.prefect.get("/deployments/name/ingest-gallery/ingest-gallery").json()["id"]

    def planned_run() -> UUID:
        """A run that nothing will begin: it is due in a year."""
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        body = {"parameters": {"gallery_id": gallery_id}, "state": state}
        return UUID(journeys.prefect.post(f"/deployments/{deployment}/create_flow_run", json=body).json()["id"])

    def upload(name: str, run_id: UUID, *, begun: bool) -> str:
        return upload_with_run(engine, gallery_id, f"{name}-{gallery_id}", run_id, begun=begun)

    def end(run_id: UUID, state: str, message: str) -> None:
        body = {"state": {"type": state, "message": message}, "force": True}
        assert journeys.prefect.post(f"/flow_runs/{run_id}/set_state", json=body).json()["status"] == "ACCEPT"

    silent, unwanted, alive = planned_run(), planned_run(), planned_run()
    crashed = upload("crashed", silent, begun=True)
    cancelled = upload("cancelled", unwanted, begun=False)
    waiting = upload("waiting", alive, begun=False)
    lost = upload("lost", uuid4(), begun=True)
    end(silent, "CRASHED", "No sign of life")
    end(unwanted, "CANCELLED", "Nobody wants it")

    assert second_api.wait_for(crashed, "crashed", "failed")["state"] == "crashed"
    assert second_api.wait_for(cancelled, "cancelled")["counts"]["pending"] == 1
    assert second_api.wait_for(lost, "crashed")["state"] == "crashed"
    assert second_api.status(waiting)["state"] == "accepted"
    with transaction(engine) as session:
        told = session.execute(
            select(AttemptRow.upload_id, AttemptRow.message).where(AttemptRow.upload_id.in_([crashed, lost]))
        )
        messages = dict(told.all())
    assert messages == {crashed: "No sign of life", lost: "Prefect does not know the run any more"}
    assert second_api.application.alert(type="alert.run_crashed", upload_id=crashed).verified()["state"] == "crashed"


def test_an_upload_whose_run_prefect_lost_before_it_began_gets_another(
    second_api: SecondApi, engine: Engine, journeys: Journeys, gallery_id: str
) -> None:
    upload_id = upload_with_run(engine, gallery_id, f"anew-{gallery_id}", uuid4(), begun=False)
    # Its one file was never staged.
    assert second_api.wait_for(upload_id, "failed")["problems"][0]["reason"] == "missing_object"


@pytest.fixture
def unwatched(engine: Engine) -> str:
    """A condition that no API process watches."""
    return f"c-{uuid4().hex}"


def test_a_condition_changes_once_for_all_who_watch_it(engine: Engine, unwatched: str) -> None:
    def note(is_well: bool) -> bool:
        with transaction(engine) as session:
            return note_condition(session, unwatched, is_well=is_well)

    assert [note(well) for well in (True, True, False, False, True, True)] == [False, False, True, False, True, False]
    with transaction(engine) as session:
        session.execute(delete(ConditionRow).where(ConditionRow.name == unwatched))
    assert note(False), "bad from the start"


def test_missing_workers_are_told_once_and_their_return_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, unwatched: str
) -> None:
    found: list[bool | Exception] = [True, False, NotFoundError("no pool"), True]

    def workers_ready() -> bool:
        answer = found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(runs, "workers_ready", workers_ready)
    monkeypatch.setattr(watch, "WORKERS", unwatched)
    for _ in range(4):
        watch.watch_workers(engine)
    with transaction(engine) as session:
        told = session.scalars(
            select(CallbackRow.type)
            .where(CallbackRow.audience == "ops", CallbackRow.type.startswith(f"alert.{unwatched}"))
            .order_by(CallbackRow.created_at)
        ).all()
    assert told == [f"alert.{unwatched}_gone", f"alert.{unwatched}_back"]


def test_the_stacks_own_worker_is_there(journeys: Journeys, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        wait_until(lambda: runs.workers_ready() or None, "the worker's first sign of life")
        monkeypatch.setattr(runs, "POOL", "no-such-pool")
        with pytest.raises(NotFoundError):
            runs.workers_ready()
