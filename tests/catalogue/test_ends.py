"""What state an upload is in after its run has ended, who is told, and what is tried again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from gallery.catalogue import attempts, claims, locks, uploads
from gallery.catalogue.attempts import RESTARTS
from gallery.catalogue.connect import transaction
from gallery.catalogue.status import read_status
from gallery.catalogue.tables import AttemptRow, CallbackRow, UploadRow
from gallery.models import Attempt, UploadState
from tests.catalogue.conftest import Catalogue
from tests.catalogue.test_claims import NAMES, finish, planned


def upload(catalogue: Catalogue, attempt: Attempt) -> UploadRow:
    with transaction(catalogue.engine) as session:
        return session.get_one(UploadRow, attempt.upload_id)


def told(catalogue: Catalogue, attempt: Attempt, audience: str = "application") -> list[str]:
    with transaction(catalogue.engine) as session:
        query = select(CallbackRow.type).where(CallbackRow.upload_id == attempt.upload_id)
        return list(session.scalars(query.where(CallbackRow.audience == audience).order_by(CallbackRow.created_at)))


def report(catalogue: Catalogue, attempt: Attempt, state: UploadState, message: str = "over") -> None:
    """As Prefect's hook does, after the process is gone."""
    with transaction(catalogue.engine) as session:
        claims.leave(session, attempt.owner)
        run_id = session.get_one(UploadRow, attempt.upload_id).flow_run_id
        assert run_id is not None
        attempts.end_run(session, run_id, state, message)


def end(catalogue: Catalogue, attempt: Attempt, state: UploadState, message: str = "over") -> None:
    """As Prefect's hook and then the watch do, which sees what no hook may tell."""
    report(catalogue, attempt, state, message)
    with transaction(catalogue.engine) as session:
        for run in attempts.runs_under_way(session):
            if run.upload_id == attempt.upload_id:
                attempts.end_unheard(session, run, state, message)


def decided(catalogue: Catalogue, gallery_id: str, outcomes: list[str]) -> Attempt:
    """An attempt that has planned, and given so many of three entries an outcome."""
    attempt = catalogue.begun(gallery_id, *NAMES[:3])
    planned(catalogue, attempt)
    for number, outcome in enumerate(outcomes, 1):
        if outcome == "saved":
            catalogue.save(attempt, "A", number=number)
        else:
            catalogue.complain(attempt, outcome, number)
    return attempt


@pytest.mark.parametrize("echo", ["failed", "crashed", "cancelled"])
def test_an_end_that_is_told_once_more_does_not_end_the_retry(
    catalogue: Catalogue, gallery_id: str, echo: UploadState
) -> None:
    """A hook of the former execution may be late: until its answer, the process has waited for the upload's row."""
    attempt = decided(catalogue, gallery_id, ["saved"])
    end(catalogue, attempt, "failed")
    with transaction(catalogue.engine) as session:
        uploads.await_retry(locks.lock_upload(session, attempt.upload_id), "tests")
    report(catalogue, attempt, echo)
    with transaction(catalogue.engine) as session:
        row = session.get_one(UploadRow, attempt.upload_id)
        assert (row.state, row.restart_after, row.retry_requested_by) == ("accepted", None, "tests")


@pytest.mark.parametrize("how", ["failed", "crashed", "cancelled"])
@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        (["saved", "saved", "saved"], "completed"),
        (["saved", "rejected", "saved"], "completed_with_rejects"),
        (["saved", "rejected", "failed"], "failed"),
    ],
    ids=["completed", "with rejects", "failed"],
)
def test_an_upload_whose_entries_are_all_decided_is_what_they_say_however_its_run_ended(
    catalogue: Catalogue, gallery_id: str, how: UploadState, outcomes: list[str], state: str
) -> None:
    attempt = decided(catalogue, gallery_id, outcomes)
    end(catalogue, attempt, how)
    assert upload(catalogue, attempt).state == state
    with transaction(catalogue.engine) as session:
        assert session.get_one(AttemptRow, (attempt.upload_id, attempt.number)).state == how
    assert told(catalogue, attempt) == ["upload.failed" if state == "failed" else "upload.completed"]
    assert told(catalogue, attempt, "ops") == ([] if how == "cancelled" else [f"alert.run_{how}"])


@pytest.mark.parametrize("how", ["failed", "crashed", "cancelled"])
def test_an_upload_with_entries_that_nobody_decided_about_is_as_its_run_ended(
    catalogue: Catalogue, gallery_id: str, how: UploadState
) -> None:
    attempt = decided(catalogue, gallery_id, ["saved", "rejected"])
    end(catalogue, attempt, how)
    assert upload(catalogue, attempt).state == how
    assert told(catalogue, attempt) == ["upload.failed"]


def test_the_application_is_told_of_changes_only(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = decided(catalogue, gallery_id, ["saved", "saved", "failed"])
    end(catalogue, attempt, "failed")
    for _ in range(2):
        again = catalogue.begin(gallery_id, attempt.upload_id)
        planned(catalogue, again)
        catalogue.complain(again, "failed", 3)
        end(catalogue, again, "failed")
        assert told(catalogue, attempt) == ["upload.failed"]
    last = catalogue.begin(gallery_id, attempt.upload_id)
    planned(catalogue, last)
    catalogue.save(last, "A", number=3)
    finish(catalogue, last)
    assert told(catalogue, attempt) == ["upload.failed", "upload.completed"]
    nothing_to_do = catalogue.begin(gallery_id, attempt.upload_id)
    planned(catalogue, nothing_to_do)
    finish(catalogue, nothing_to_do)
    assert told(catalogue, attempt) == ["upload.failed", "upload.completed"]


def ask_again(catalogue: Catalogue, attempt: Attempt) -> None:
    """As the API does when a pause is over."""
    with transaction(catalogue.engine) as session:
        uploads.await_retry(locks.lock_upload(session, attempt.upload_id), "tests")


def restarts(catalogue: Catalogue, attempt: Attempt) -> bool:
    """Whether the upload comes up to be run again, once its pause is over."""
    with transaction(catalogue.engine) as session:
        mine = update(UploadRow).where(UploadRow.upload_id == attempt.upload_id)
        session.execute(mine.values(restart_after=UploadRow.restart_after - timedelta(hours=1)))
        return attempt.upload_id in attempts.due_restarts(session, limit=1000)


@pytest.mark.parametrize("begins", [True, False], ids=["cannot plan", "cannot begin"])
@pytest.mark.parametrize("how", ["failed", "crashed"])
def test_a_run_that_finds_out_nothing_leaves_the_upload_as_it_was_and_comes_up_again(
    catalogue: Catalogue, gallery_id: str, how: UploadState, begins: bool
) -> None:
    attempt = decided(catalogue, gallery_id, ["saved", "rejected", "saved"])
    finish(catalogue, attempt)
    assert upload(catalogue, attempt).state == "completed_with_rejects"
    assert not restarts(catalogue, attempt)
    ask_again(catalogue, attempt)
    if begins:
        attempt = catalogue.begin(gallery_id, attempt.upload_id)
    end(catalogue, attempt, how, "storage_unavailable")
    assert upload(catalogue, attempt).state == "completed_with_rejects"
    assert restarts(catalogue, attempt)
    assert told(catalogue, attempt) == ["upload.completed"]
    assert told(catalogue, attempt, "ops") == ["alert.run_not_begun"]
    # One that goes through ends the matter.
    ask_again(catalogue, attempt)
    last = catalogue.begin(gallery_id, attempt.upload_id)
    planned(catalogue, last)
    finish(catalogue, last)
    assert (upload(catalogue, last).state, upload(catalogue, last).unplanned) == ("completed_with_rejects", 0)
    assert not restarts(catalogue, last)


def test_a_run_that_cannot_plan_is_tried_again_a_number_of_times(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    pauses = []
    for _ in RESTARTS:
        end(catalogue, attempt, "failed", "storage_unavailable")
        row = upload(catalogue, attempt)
        assert row.state == "accepted"
        assert row.restart_after is not None
        assert row.finished_at is not None
        with transaction(catalogue.engine) as session:
            waiting = read_status(session, attempt.upload_id).waiting
        assert waiting is not None
        assert waiting.waits_for == "restart"
        pauses.append(row.restart_after - row.finished_at)
        # Nobody ends it again meanwhile: Prefect goes on calling that run failed.
        end(catalogue, attempt, "failed", "storage_unavailable")
        assert upload(catalogue, attempt).restart_after == row.restart_after
        with transaction(catalogue.engine) as session:
            assert attempt.upload_id not in {run.upload_id for run in attempts.runs_under_way(session)}
        ask_again(catalogue, attempt)
        attempt = catalogue.begin(gallery_id, attempt.upload_id)
    assert pauses == list(RESTARTS)
    end(catalogue, attempt, "failed", "storage_unavailable")
    row = upload(catalogue, attempt)
    assert (row.state, row.restart_after) == ("failed", None)
    assert told(catalogue, attempt) == ["upload.failed"]
    assert told(catalogue, attempt, "ops") == [*["alert.run_not_begun"] * len(RESTARTS), "alert.run_failed"]


def test_a_cancelled_run_is_not_tried_again(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    end(catalogue, attempt, "failed", "storage_unavailable")
    assert upload(catalogue, attempt).state == "accepted"
    end(catalogue, attempt, "cancelled")
    assert (upload(catalogue, attempt).state, restarts(catalogue, attempt)) == ("cancelled", False)


@pytest.mark.parametrize("outcomes", [["saved"], ["saved", "saved", "saved"]], ids=["some pending", "all decided"])
def test_a_crash_is_to_be_retried_whatever_the_entries_say(
    catalogue: Catalogue, gallery_id: str, outcomes: list[str]
) -> None:
    attempt = decided(catalogue, gallery_id, outcomes)
    end(catalogue, attempt, "crashed")

    def crashed() -> set[UUID]:
        with transaction(catalogue.engine) as session:
            return set(attempts.crashed_runs(session, after=timedelta(0), until=timedelta(hours=1)))

    run_id = upload(catalogue, attempt).flow_run_id
    assert run_id in crashed()
    ask_again(catalogue, attempt)
    assert run_id not in crashed()
