"""What ends without a word: runs that only Prefect has heard of, workers that are gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import WorkQueue, WorkQueueStatus
from sqlalchemy import Engine, delete, select

from gallery import runs
from gallery.api.background import watch
from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.claims import leave
from gallery.catalogue.conditions import list_unwell, note_condition
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import AttemptRow, CallbackRow, ConditionRow
from gallery.catalogue.uploads import DeclaredEntry, StartRequest, accept_staged, started
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
        started(session, StartRequest(upload_id, gallery_id, 1), run_id)
        if begun:
            attempt = begin_attempt(session, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=run_id)
            # It has planned, and its process is gone.
            session.get_one(AttemptRow, (upload_id, attempt.number)).planned_at = datetime.now(UTC)
            leave(session, attempt.owner)
    return upload_id


def planned_run(journeys: Journeys, gallery_id: str) -> UUID:
    """A run that nothing will begin: it is due in many years."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    body = {"parameters": {"gallery_id": gallery_id}, "state": state}
    path = f"/deployments/{journeys.deployment('ingest-gallery')['id']}/create_flow_run"
    return UUID(journeys.prefect.post(path, json=body).json()["id"])


def set_state(journeys: Journeys, run_id: UUID, state: str, message: str) -> None:
    """Have Prefect say so of a run, whatever it had said before."""
    body = {"state": {"type": state, "message": message}, "force": True}
    assert journeys.prefect.post(f"/flow_runs/{run_id}/set_state", json=body).json()["status"] == "ACCEPT"


def test_ends_that_only_prefect_knows_of_are_written_down(
    journeys: Journeys, second_api: SecondApi, engine: Engine, gallery_id: str
) -> None:
    def upload(name: str, run_id: UUID, *, begun: bool) -> str:
        return upload_with_run(engine, gallery_id, f"{name}-{gallery_id}", run_id, begun=begun)

    silent, unwanted, alive = (planned_run(journeys, gallery_id) for _ in range(3))
    crashed = upload("crashed", silent, begun=True)
    cancelled = upload("cancelled", unwanted, begun=False)
    waiting = upload("waiting", alive, begun=False)
    lost = upload("lost", uuid4(), begun=True)
    set_state(journeys, silent, "CRASHED", "No sign of life")
    set_state(journeys, unwanted, "CANCELLED", "Nobody wants it")

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

    def pool_state() -> runs.PoolState:
        answer = found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return runs.PoolState(is_paused=False, has_worker=answer, has_place=True)

    monkeypatch.setattr(runs, "pool_state", pool_state)
    for name in ("WORKERS", "DEPLOYMENT", "OPEN", "PLACES"):
        monkeypatch.setattr(watch, name, unwatched if name == "WORKERS" else f"{unwatched}-{name}")
    for _ in range(4):
        watch.watch_pool(engine)
    with transaction(engine) as session:
        told = session.scalars(
            select(CallbackRow.type)
            .where(CallbackRow.audience == "ops", CallbackRow.type.startswith(f"alert.{unwatched}"))
            .order_by(CallbackRow.created_at)
        ).all()
    assert told == [f"alert.{unwatched}_gone", f"alert.{unwatched}_back"]


def test_a_deployment_that_somebody_has_deleted_is_told_of(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, unwatched: str
) -> None:
    for name in ("WORKERS", "DEPLOYMENT", "OPEN", "PLACES", "BUSY"):
        monkeypatch.setattr(watch, name, f"{unwatched}-{name}")
    for has_deployment in (False, False, True):
        state = runs.PoolState(is_paused=False, has_worker=True, has_place=True, has_deployment=has_deployment)
        monkeypatch.setattr(runs, "pool_state", lambda state=state: state)
        watch.watch_pool(engine)
    with transaction(engine) as session:
        alerts = select(CallbackRow.type, CallbackRow.body).where(CallbackRow.type.startswith(f"alert.{unwatched}"))
        told = session.execute(alerts.order_by(CallbackRow.created_at)).all()
    assert [kind for kind, _ in told] == [f"alert.{unwatched}-DEPLOYMENT_{what}" for what in ("gone", "back")]
    assert "gallery setup" in told[0][1]["message"]


def test_what_ops_have_chosen_is_noted_and_alerts_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, unwatched: str
) -> None:
    names = {name: f"{unwatched}-{name}" for name in ("WORKERS", "DEPLOYMENT", "OPEN", "PLACES")}
    for name, own in names.items():
        monkeypatch.setattr(watch, name, own)
    noted = []
    for is_paused, has_place in [(True, False), (False, False), (False, True)]:
        state = runs.PoolState(is_paused=is_paused, has_worker=True, has_place=has_place)
        monkeypatch.setattr(runs, "pool_state", lambda state=state: state)
        watch.watch_pool(engine)
        with transaction(engine) as session:
            noted.append(list_unwell(session) & set(names.values()))
    assert noted == [{names["OPEN"], names["PLACES"]}, {names["PLACES"]}, set()]
    with transaction(engine) as session:
        alerts = session.scalars(select(CallbackRow.type).where(CallbackRow.type.contains(unwatched))).all()
    assert alerts == []


def test_the_stacks_own_worker_is_there(journeys: Journeys, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        wait_until(lambda: runs.pool_state().has_worker or None, "the worker's first sign of life")
        assert runs.pool_state().has_deployment
        monkeypatch.setattr(runs, "DEPLOYMENT", "ingest-gallery/no-such-deployment")
        assert not runs.pool_state().has_deployment
        monkeypatch.setattr(runs, "POOL", "no-such-pool")
        with pytest.raises(NotFoundError):
            runs.pool_state()


def test_a_queue_that_no_worker_asks_for_waits_for_one(journeys: Journeys, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    read = SyncPrefectClient.read_work_queue_by_name

    def unasked(*arguments: Any) -> WorkQueue:
        return read(*arguments).model_copy(update={"status": WorkQueueStatus.NOT_READY})

    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        wait_until(lambda: runs.pool_state().has_worker or None, "the worker's first sign of life")
        monkeypatch.setattr(SyncPrefectClient, "read_work_queue_by_name", unasked)
        assert not runs.pool_state().has_worker


@pytest.mark.parametrize("path", ["/work_pools/gallery", "/work_pools/gallery/queues/default"], ids=["pool", "queue"])
def test_a_pool_or_queue_is_paused_by_its_switch_or_by_a_limit_of_0_and_full_at_its_limit(
    journeys: Journeys, path: str
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def state(**values: object) -> tuple[bool, bool]:
        journeys.prefect.patch(path, json=values).raise_for_status()
        found = runs.pool_state()
        return found.is_paused, found.has_place

    paths = ("/work_pools/gallery", "/work_pools/gallery/queues/default")
    former = {each: journeys.prefect.get(each).json() for each in paths}
    run = planned_run(journeys, "nothing-begins-it")
    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        try:
            # What other tests have left running is to fill neither.
            for each in paths:
                journeys.prefect.patch(each, json={"concurrency_limit": None}).raise_for_status()
            assert state(is_paused=True)[0]
            assert state(is_paused=False) == (False, True)
            assert state(concurrency_limit=0) == (True, False)
            set_state(journeys, run, "PENDING", "claimed by a worker")
            assert state(concurrency_limit=1) == (False, False)
            assert state(concurrency_limit=100) == (False, True)
        finally:
            set_state(journeys, run, "CANCELLED", "the test has ended")
            for each in paths:
                changed = {name: former[each][name] for name in ("is_paused", "concurrency_limit")}
                journeys.prefect.patch(each, json=changed).raise_for_status()
