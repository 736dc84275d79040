"""Runs that have neither a process nor a clock: every row of the table "Nothing waits for ever", in docs/operations.md.

Prefect's states are set by hand, and the look is taken here: the stack's own watchers have minutes of patience.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine, func, select, update

from gallery import runs
from gallery.api.background import stuck, watch
from gallery.api.background.restarts import run_again
from gallery.api.background.watch import settle_runs
from gallery.api.background.worker import Worker
from gallery.catalogue import attempts
from gallery.catalogue.attempts import RESTARTS, RunUnderWay, begin_attempt
from gallery.catalogue.claims import leave
from gallery.catalogue.conditions import note_condition
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_upload
from gallery.catalogue.tables import AttemptRow, CallbackRow, UploadRow
from gallery.catalogue.uploads import StartRequest
from gallery.errors import PrefectUnavailable
from gallery.models import FINAL_STATES
from tests.api.test_watch import planned_run, upload_with_run
from tests.journeys import Journeys, wait_until
from tests.second_api import SecondApi

SOON, LATER = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def reach_prefect(journeys: Journeys) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: journeys.servers.info.prefect_api_url}):
        yield


class Stuck:
    """An upload of one file that was never staged, and its run, which no worker takes: the queue is paused."""

    def __init__(self, journeys: Journeys, engine: Engine, gallery_id: str) -> None:
        self.journeys, self.engine, self.gallery_id = journeys, engine, gallery_id
        self.upload_id = f"stuck-{gallery_id}"
        self.run_id = planned_run(journeys, gallery_id)
        upload_with_run(engine, gallery_id, self.upload_id, self.run_id, begun=False)

    def begin(self, *, lives: bool = False) -> None:
        """Have the run begin an attempt, which plans; its process is gone, unless it `lives`."""
        with transaction(self.engine) as session:
            attempt = begin_attempt(
                session, gallery_id=self.gallery_id, upload_id=self.upload_id, flow_run_id=self.run_id
            )
            session.execute(
                update(AttemptRow).where(AttemptRow.upload_id == self.upload_id).values(planned_at=func.now())
            )
            if not lives:
                leave(session, attempt.owner)

    def prefect_says(self, state: str, **details: Any) -> None:
        """Have Prefect say so of the run, whatever it had said before."""
        if state in ("CANCELLING", "PAUSED"):
            # Without a process there would be nothing to stop.
            self.prefect_says("RUNNING")
        body = {"state": {"type": state, "state_details": details}, "force": True}
        answer = self.journeys.prefect.post(f"/flow_runs/{self.run_id}/set_state", json=body)
        assert answer.json()["status"] == "ACCEPT"

    def is_due(self, *, claimed: bool) -> None:
        """Have the run be due; `claimed`: a worker has had it before."""
        if claimed:
            path = f"/flow_runs/{self.run_id}"
            self.journeys.prefect.patch(path, json={"infrastructure_pid": "1"}).raise_for_status()
        self.prefect_says("SCHEDULED")

    def under_way(self) -> RunUnderWay | None:
        with transaction(self.engine) as session:
            found = [run for run in attempts.runs_under_way(session) if run.upload_id == self.upload_id]
        return found[0] if found else None

    def look(self, limit: timedelta = SOON) -> None:
        """Look at the run as the watch does, until something has come of it."""
        before = self.snapshot()

        def settled() -> bool | None:
            self.look_once(limit)
            return self.snapshot() != before or None

        wait_until(settled, f"the watch to see to {self.upload_id}")

    def look_once(self, limit: timedelta) -> None:
        run = self.under_way()
        assert run is not None
        seen = runs.look_at([run.flow_run_id])[run.flow_run_id]
        assert seen is not None
        stuck.settle_stuck(self.engine, run, seen, limit)

    def nothing_happens(self) -> None:
        """Look, once the run would be stuck by its age alone, and find everything as before."""
        before = self.snapshot()
        wait_until(lambda: self.age() > SOON or None, "some time to pass")
        self.look_once(SOON)
        assert self.snapshot() == before

    def age(self) -> timedelta:
        seen = runs.look_at([self.run_id])[self.run_id]
        assert seen is not None
        return seen.age

    @property
    def row(self) -> UploadRow:
        return self.journeys.upload(self.upload_id)

    def snapshot(self) -> tuple[Any, ...]:
        row = self.row
        return row.state, row.flow_run_id, row.paused_at, row.unplanned, self.alerts()

    def alerts(self) -> list[tuple[str, str]]:
        """What ops were told about the upload: type and message."""
        rows = select(CallbackRow.type, CallbackRow.body).where(
            CallbackRow.audience == "ops", CallbackRow.upload_id == self.upload_id
        )
        with transaction(self.engine) as session:
            return [(type_, body["message"]) for type_, body in session.execute(rows.order_by(CallbackRow.created_at))]

    def state(self, run_id: UUID | None = None) -> tuple[str, str]:
        """What Prefect says of a run: type and message."""
        state = self.journeys.flow_run(run_id or self.run_id)["state"]
        return state["type"], state["message"]

    def assert_taken_up(self, why: str) -> None:
        row = self.row
        assert (row.state, row.unplanned) == ("accepted", 1)
        assert row.flow_run_id not in (None, self.run_id)
        [(kind, message)] = self.alerts()
        assert kind == "alert.run_stuck"
        assert why in message
        assert self.state() == ("CANCELLED", f"{message}; run {row.flow_run_id} takes over")

    def post(self, action: str) -> httpx.Response:
        """What a caller asks for."""
        return self.journeys.api.post(f"/v1/uploads/{self.upload_id}/{action}")

    def assert_goes_on(self, second_api: SecondApi) -> None:
        """Let workers take its run, which works on it: it finds the one file missing."""
        pause(self.journeys, False)
        assert second_api.wait_for(self.upload_id, "failed")["problems"][0]["reason"] == "missing_object"


def pause(journeys: Journeys, is_paused: bool) -> None:
    journeys.prefect.patch("/work_pools/gallery/queues/default", json={"is_paused": is_paused}).raise_for_status()


@pytest.fixture
def one(journeys: Journeys, engine: Engine, gallery_id: str) -> Iterator[Stuck]:
    pause(journeys, True)
    one = Stuck(journeys, engine, gallery_id)
    yield one
    one.post("cancel")
    pause(journeys, False)


class Queue:
    """What the watch has noted of pool, queue and workers, for a look that is taken here."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = engine
        self._names = {name: f"{name}-{uuid4().hex}" for name in ("OPEN", "WORKERS", "PLACES", "BUSY")}
        for name, own in self._names.items():
            monkeypatch.setattr(stuck, name, own)
        self.note(OPEN=True, WORKERS=True, PLACES=True, BUSY=False)

    def note(self, **conditions: bool) -> None:
        with transaction(self.engine) as session:
            for name, is_well in conditions.items():
                note_condition(session, self._names[name], is_well=is_well)


@pytest.fixture
def queue(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(engine, monkeypatch)


def test_a_run_that_was_claimed_and_never_started_is_taken_up_by_another(one: Stuck, second_api: SecondApi) -> None:
    one.prefect_says("PENDING")
    one.look_once(LATER)
    assert (one.row.flow_run_id, one.alerts()) == (one.run_id, [])
    one.look()
    one.assert_taken_up("a worker has claimed it, and its process has not started")
    # Another look, or another process of the API that has seen the same, takes up nothing more.
    one.look_once(LATER)
    assert one.row.unplanned == 1
    one.assert_goes_on(second_api)


def test_a_run_that_replaces_another_keeps_its_parameters(one: Stuck, journeys: Journeys) -> None:
    parameters = {"gallery_id": one.gallery_id, "upload_id": one.upload_id, "force": True}
    journeys.prefect.patch(f"/flow_runs/{one.run_id}", json={"parameters": parameters}).raise_for_status()
    one.prefect_says("PENDING")
    one.look()
    assert journeys.flow_run(one.row.flow_run_id)["parameters"] == parameters


def test_a_run_that_takes_over_is_the_uploads_whichever_upload_the_former_one_was_started_for(
    one: Stuck, journeys: Journeys
) -> None:
    journeys.prefect.patch(
        f"/flow_runs/{one.run_id}", json={"parameters": {"gallery_id": one.gallery_id}}
    ).raise_for_status()
    one.prefect_says("PENDING")
    one.look()
    assert journeys.flow_run(one.row.flow_run_id)["parameters"]["upload_id"] == one.upload_id


def test_a_former_run_that_could_not_be_ended_changes_nothing(
    one: Stuck, journeys: Journeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: runs.Replaced) -> None:
        raise PrefectUnavailable("away")

    one.prefect_says("PENDING")
    monkeypatch.setattr(runs, "end_replaced", away)
    wait_until(lambda: one.age() > SOON or None, "the run to be stuck")
    with pytest.raises(PrefectUnavailable):
        one.look_once(SOON)
    assert one.state()[0] == "PENDING"
    assert (one.row.state, one.row.unplanned) == ("accepted", 1)
    assert one.row.flow_run_id not in (None, one.run_id)
    # It would keep its place in the queue.
    one.prefect_says("CANCELLED")


def test_a_replaced_run_that_has_begun_all_the_same_is_no_cancelled_upload(
    one: Stuck, journeys: Journeys, second_api: SecondApi
) -> None:
    one.begin(lives=True)
    body = {"state": {"type": "CANCELLED", "name": runs.REPLACED}, "force": True}
    journeys.prefect.post(f"/flow_runs/{one.run_id}/set_state", json=body).raise_for_status()
    settle_runs(one.engine, Worker("starts", lambda: False), LATER, watched=LATER)
    assert one.row.state == "running"


def test_one_upload_that_cannot_be_settled_holds_up_no_other(
    one: Stuck, journeys: Journeys, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Stuck(journeys, engine, f"{one.gallery_id}-other")
    for each in (one, other):
        each.prefect_says("PENDING")
    settle = stuck.settle_stuck

    def trouble(engine: Engine, run: RunUnderWay, *others: Any) -> None:
        if run.upload_id == one.upload_id:
            raise PrefectUnavailable("no deployment")
        settle(engine, run, *others)

    monkeypatch.setattr(watch, "settle_stuck", trouble)
    wait_until(lambda: min(one.age(), other.age()) > SOON or None, "both to be stuck")
    with pytest.raises(PrefectUnavailable, match="no deployment"):
        settle_runs(engine, Worker("starts", lambda: False), SOON, watched=LATER)
    assert (one.row.unplanned, other.row.unplanned) == (0, 1)
    assert other.post("cancel").status_code == 202


def test_what_prefect_said_before_a_retry_ends_nothing(one: Stuck, engine: Engine) -> None:
    one.begin(lives=False)
    one.prefect_says("FAILED")
    before = one.under_way()
    assert before is not None
    assert one.post("retry").status_code == 202
    with transaction(engine) as session:
        assert not attempts.end_unheard(session, before, "failed", "as it was")
    assert (one.row.state, one.row.restart_after) == ("accepted", None)


def test_a_start_whose_former_run_has_ended_makes_another(one: Stuck, journeys: Journeys) -> None:
    request = StartRequest(f"again-{one.gallery_id}", one.gallery_id, 1)
    starter = runs.RunStarter()
    first = starter.start(request)
    assert starter.start(request) == first
    body = {"state": {"type": "CANCELLED"}, "force": True}
    journeys.prefect.post(f"/flow_runs/{first}/set_state", json=body).raise_for_status()
    second = starter.start(request)
    assert second != first
    assert starter.start(request) == second
    starter.close()
    journeys.prefect.post(f"/flow_runs/{second}/set_state", json=body).raise_for_status()


def test_two_processes_of_the_api_that_see_a_run_stuck_start_one(one: Stuck, journeys: Journeys) -> None:
    one.prefect_says("PENDING")
    run = one.under_way()
    assert run is not None
    wait_until(lambda: one.age() > SOON or None, "the run to be stuck")
    seen = runs.look_at([one.run_id])[one.run_id]
    assert seen is not None
    for _ in range(2):
        stuck.settle_stuck(one.engine, run, seen, SOON)
    one.assert_taken_up("has not started")


def test_runs_that_never_start_are_replaced_with_growing_pauses_and_not_for_ever(
    one: Stuck, engine: Engine, second_api: SecondApi
) -> None:
    due = []
    for _ in RESTARTS:
        one.prefect_says("PENDING")
        one.look()
        one.run_id = one.row.flow_run_id or one.run_id
        run = one.journeys.prefect.get(f"/flow_runs/{one.run_id}").json()
        due.append(runs.look_at([one.run_id])[one.run_id])
        assert run["state"]["type"] == "SCHEDULED"
    pauses = [-seen.age.total_seconds() for seen in due if seen]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 60
    one.prefect_says("PENDING")
    one.look()
    assert (one.row.state, one.row.flow_run_id) == ("crashed", one.run_id)
    assert one.state()[0] == "CRASHED"
    assert [kind for kind, _ in one.alerts()] == ["alert.run_stuck"] * len(RESTARTS) + ["alert.run_crashed"]
    # It is for people to go on, and then all begins again.
    assert one.post("retry").json()["state"] == "accepted"
    one.assert_goes_on(second_api)


def test_a_scheduled_run_is_left_alone_while_it_cannot_be_taken(one: Stuck, queue: Queue) -> None:
    one.is_due(claimed=True)
    for obstacle in ("OPEN", "WORKERS", "PLACES"):
        queue.note(**{obstacle: False})
        one.nothing_happens()
        queue.note(**{obstacle: True})
    one.look()
    one.assert_taken_up("no worker takes it")


@pytest.mark.parametrize("claimed", [False, True])
def test_a_run_waits_while_others_are_at_work(one: Stuck, queue: Queue, *, claimed: bool) -> None:
    """Its worker may have a limit of its own."""
    one.is_due(claimed=claimed)
    queue.note(BUSY=True)
    one.nothing_happens()
    queue.note(BUSY=False)
    one.look()
    one.assert_taken_up("no worker takes it")


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_pool_is_busy_while_a_run_of_it_is_at_work(one: Stuck, state: str) -> None:
    # Runs of the tests before may still be at work for Prefect, which hears of an end later than the catalogue.
    wait_until(lambda: (not runs.pool_state().is_busy) or None, "all runs to end")
    one.prefect_says(state)
    assert runs.pool_state().is_busy
    one.prefect_says("CRASHED")
    assert not runs.pool_state().is_busy


def test_a_run_that_its_worker_passes_over_is_taken_up_although_the_queue_is_never_free(
    one: Stuck, queue: Queue, engine: Engine, gallery_id: str
) -> None:
    one.is_due(claimed=True)
    queue.note(PLACES=False)
    one.nothing_happens()
    later = f"later-{gallery_id}"
    upload_with_run(engine, f"{gallery_id}-later", later, uuid4(), begun=True)
    # That one may have come from another queue.
    queue.note(OPEN=False)
    one.nothing_happens()
    queue.note(OPEN=True)
    one.look()
    one.assert_taken_up("no worker takes it")


def test_what_was_before_this_process_looked_does_not_count(one: Stuck, queue: Queue) -> None:
    """As after a machine with everything on it has slept: worker and queue are not heard of yet."""
    one.is_due(claimed=False)
    wait_until(lambda: one.age() > SOON or None, "the run to be overdue")
    run = one.under_way()
    seen = runs.look_at([one.run_id])[one.run_id]
    assert run is not None
    assert seen is not None
    stuck.settle_stuck(one.engine, run, seen, SOON, watched=SOON)
    assert one.row.flow_run_id == one.run_id


def test_a_run_that_is_due_later_is_left_alone(one: Stuck, queue: Queue) -> None:
    assert one.age() < timedelta(0)
    one.look_once(timedelta(0))
    assert one.row.flow_run_id == one.run_id


def test_a_silent_run_is_ended_where_no_automation_has_done_so(one: Stuck) -> None:
    one.begin()
    one.prefect_says("RUNNING")
    one.look_once(SOON)
    assert one.row.state == "running", "five times the limit"
    one.look(SOON / 5)
    assert (one.row.state, one.state()[0]) == ("crashed", "CRASHED")
    [(kind, message)] = one.alerts()
    assert (kind, "makes no progress" in message) == ("alert.run_crashed", True)


def test_a_run_that_stopped_before_it_began_an_attempt_is_ended_and_tried_again(one: Stuck) -> None:
    one.prefect_says("RUNNING")
    one.look(SOON / 5)
    assert (one.row.state, one.state()[0]) == ("accepted", "CRASHED")
    assert one.row.restart_after is not None


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"])
def test_nothing_is_stuck_while_a_process_works_on_it(one: Stuck, queue: Queue, state: str) -> None:
    one.begin(lives=True)
    one.prefect_says("RUNNING")
    one.prefect_says(state)
    one.nothing_happens()


def test_a_process_that_shows_progress_at_the_last_moment_is_not_ended(one: Stuck) -> None:
    one.begin(lives=True)
    one.prefect_says("RUNNING")
    run = one.under_way()
    assert run is not None
    assert not stuck.RULES["running"].act(one.engine, run, "it was silent when it was looked at")
    assert (one.row.state, one.state()[0]) == ("running", "RUNNING")


def test_a_replaced_run_of_which_something_has_come_meanwhile_is_left_alone(one: Stuck) -> None:
    one.prefect_says("RUNNING")
    runs.end_replaced(runs.Replaced(one.run_id, uuid4(), "as it was before"))
    assert one.state()[0] == "RUNNING"


def test_a_paused_run_is_told_of_once_and_goes_on_when_it_is_resumed(
    one: Stuck, journeys: Journeys, second_api: SecondApi
) -> None:
    one.begin()
    # As the UI's Suspend button does.
    one.prefect_says("PAUSED", pause_reschedule=True, pause_timeout="2099-01-01T00:00:00Z")
    # It says so immediately; ops are told after a while.
    one.look(timedelta(hours=1))
    assert (second_api.status(one.upload_id)["waiting"], one.alerts()) == ({"for": "paused", "uploads_before": 0}, [])
    one.look()
    [(kind, message)] = one.alerts()
    assert (kind, "until somebody resumes it" in message) == ("alert.run_stuck", True)
    status = second_api.status(one.upload_id)
    assert (status["state"], status["waiting"]) == ("running", {"for": "paused", "uploads_before": 0})
    one.nothing_happens()
    assert (
        second_api.application.alert(type="alert.run_stuck", upload_id=one.upload_id).verified()["state"] == "running"
    )

    journeys.prefect.post(f"/flow_runs/{one.run_id}/resume").raise_for_status()
    one.look()
    assert second_api.status(one.upload_id)["waiting"] is None
    one.assert_goes_on(second_api)
    assert one.row.flow_run_id == one.run_id


@pytest.mark.parametrize("lives", [False, True], ids=["no process", "a process"])
def test_a_cancelling_run_that_nobody_ends_is_cancelled(one: Stuck, *, lives: bool) -> None:
    one.begin(lives=lives)
    one.prefect_says("CANCELLING")
    one.look()
    assert (one.row.state, one.state()[0]) == ("cancelled", "CANCELLED")


STATES = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING", "CRASHED", "CANCELLED", "FAILED")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("begun", [False, True], ids=["accepted", "running"])
def test_a_retry_is_taken_in_every_state_without_a_process(
    one: Stuck, second_api: SecondApi, monkeypatch: pytest.MonkeyPatch, state: str, *, begun: bool
) -> None:
    if begun:
        one.begin()
    one.prefect_says("RUNNING")
    one.prefect_says(state)
    # Nothing is about to start: as after a while.
    monkeypatch.setattr(runs, "STARTING", -LATER)
    for _ in range(2):
        with transaction(one.engine) as session:
            replaced = run_again(session, lock_upload(session, one.upload_id), "tests")
        if replaced is not None:
            runs.end_replaced(replaced)
    row = one.row
    assert row.state == "accepted"
    is_same = state in ("SCHEDULED", "CRASHED", "CANCELLED", "FAILED")
    assert (row.flow_run_id == one.run_id) == is_same
    if not is_same:
        assert one.state() == ("CANCELLED", f"Retried through the API; run {row.flow_run_id} takes over")
    one.assert_goes_on(second_api)
    with transaction(one.engine) as session:
        lost = session.scalars(
            select(AttemptRow.state).where(AttemptRow.upload_id == one.upload_id).order_by(AttemptRow.attempt)
        ).all()
    assert lost == [*(["cancelled"] if begun else []), "failed"]


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING"])
def test_a_retry_leaves_a_run_alone_that_is_about_to_start(one: Stuck, state: str) -> None:
    one.prefect_says(state)
    for _ in range(2):
        answer = one.post("retry")
        assert (answer.status_code, answer.json()["state"]) == (202, "accepted"), answer.text
    assert (one.row.flow_run_id, one.state()[0]) == (one.run_id, state)


@pytest.mark.parametrize("state", STATES)
def test_a_retry_is_refused_while_a_process_works(one: Stuck, state: str) -> None:
    one.begin(lives=True)
    one.prefect_says(state)
    answer = one.post("retry")
    assert (answer.status_code, "a process works on it" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("begun", [False, True], ids=["accepted", "running"])
def test_a_cancel_ends_an_upload_at_once_that_no_process_works_on(one: Stuck, state: str, *, begun: bool) -> None:
    if begun:
        one.begin()
    one.prefect_says("RUNNING")
    one.prefect_says(state)
    with transaction(one.engine) as session:
        # Before the watch sees an end that it would write itself.
        row = lock_upload(session, one.upload_id)
        ended = row.state in FINAL_STATES
    answer = one.post("cancel")
    if not ended:
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled"), answer.text
    assert one.state()[0] in ("CANCELLING", "CANCELLED", state)
    assert one.post("cancel").status_code == 409
    assert one.post("retry").status_code == 202


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"])
def test_a_cancel_has_a_process_stopped_by_its_worker(one: Stuck, state: str) -> None:
    one.begin(lives=True)
    one.is_due(claimed=True)
    one.prefect_says(state)
    for _ in range(2):
        answer = one.post("cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "running"), answer.text
    assert one.state()[0] == "CANCELLING"
    # Its worker is not there: Prefect's word counts, the process writes nothing more.
    one.look()
    assert (one.row.state, one.post("cancel").status_code) == ("cancelled", 409)


def test_a_cancel_ends_an_upload_whose_run_has_ended_or_is_lost(one: Stuck, journeys: Journeys) -> None:
    one.begin(lives=True)
    one.prefect_says("CRASHED")
    assert one.post("cancel").json()["state"] == "cancelled"
    assert one.post("retry").status_code == 202
    journeys.prefect.delete(f"/flow_runs/{one.run_id}").raise_for_status()
    assert one.post("cancel").json()["state"] == "cancelled"


def test_an_upload_that_is_about_to_be_tried_again_can_be_cancelled(one: Stuck, engine: Engine) -> None:
    one.prefect_says("RUNNING")
    one.look(SOON / 5)
    assert one.row.restart_after is not None
    assert one.post("cancel").json()["state"] == "cancelled"
    assert one.row.restart_after is None


def test_a_cancel_meets_the_run_that_an_automation_has_retried_meanwhile(one: Stuck) -> None:
    one.prefect_says("RUNNING")
    one.look(SOON / 5)
    one.prefect_says("SCHEDULED")
    assert one.post("cancel").json()["state"] == "cancelled"
    assert one.state()[0] == "CANCELLED"


def test_an_upload_that_is_about_to_be_tried_again_can_be_retried_now(one: Stuck, second_api: SecondApi) -> None:
    one.prefect_says("RUNNING")
    one.look(SOON / 5)
    answer = one.post("retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted"), answer.text
    assert (one.row.restart_after, one.state()[0]) == (None, "SCHEDULED")
    one.assert_goes_on(second_api)


@pytest.mark.parametrize(
    ("minutes", "pool_type", "limit"),
    [(None, "process", 180), (None, "kubernetes", 900), (None, "ecs", 900), (0.5, "kubernetes", 30)],
)
def test_the_limit_is_the_settings_or_suits_the_pool(minutes: float | None, pool_type: str, limit: float) -> None:
    assert stuck.start_limit(minutes, pool_type).total_seconds() == limit
