"""The later upload wins, whatever order runs finish or are retried in; only the newest attempt writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from gallery.catalogue import attempts, claims, locks, outcomes, uploads
from gallery.catalogue.connect import transaction
from gallery.catalogue.deletion import delete_gallery
from gallery.catalogue.migrate import migrate
from gallery.catalogue.plan import make_plan
from gallery.catalogue.tables import CallbackRow, ImageRow, UploadRow
from gallery.errors import ConflictError, NotFoundError, StaleAttempt
from gallery.models import Attempt, Outcome, UploadState
from gallery.storage.s3 import StoredObject
from tests.catalogue.conftest import (
    JUDGES,
    LIBRARY,
    TERMS,
    UPLOADS,
    Catalogue,
    commit,
    etag,
    problem,
    sha256,
    wait_until_waiting,
)


def test_acceptance_numbers_an_upload_once_for_all_its_attempts(catalogue: Catalogue, gallery_id: str) -> None:
    first, second = catalogue.open(gallery_id), catalogue.open(gallery_id)
    # By acceptance, not by presigning.
    later, earlier = catalogue.accept(second).accepted_seq, catalogue.accept(first).accepted_seq
    assert later is not None
    assert earlier is not None
    assert earlier > later
    assert catalogue.accept(second).accepted_seq == later
    begun = [catalogue.begin(gallery_id, second) for _ in range(3)]
    assert [attempt.number for attempt in begun] == [1, 2, 3]
    assert {attempt.accepted_seq for attempt in begun} == {later}


def test_without_an_id_the_latest_accepted_upload_is_ingested(catalogue: Catalogue, gallery_id: str) -> None:
    first, second, _never_completed = (catalogue.open(gallery_id) for _ in range(3))
    catalogue.accept(second)
    catalogue.accept(first)
    assert catalogue.begin(gallery_id, None).upload_id == first


def test_what_was_never_completed_or_is_not_known_is_not_ingested(catalogue: Catalogue, gallery_id: str) -> None:
    with pytest.raises(NotFoundError, match=f"gallery '{gallery_id}' is not known"):
        catalogue.begin(gallery_id, None)
    upload_id = catalogue.open(gallery_id)
    with pytest.raises(NotFoundError, match="has no completed upload"):
        catalogue.begin(gallery_id, None)
    with pytest.raises(NotFoundError, match="has no upload 'other'"):
        catalogue.begin(gallery_id, "other")
    with pytest.raises(ConflictError, match="never completed"):
        catalogue.begin(gallery_id, upload_id)
    with transaction(catalogue.engine) as session:
        session.get_one(UploadRow, upload_id).state = "expired"
    with pytest.raises(ConflictError, match="has expired"):
        catalogue.accept(upload_id)


def test_the_earlier_upload_is_superseded_where_the_later_one_was_saved_first(
    catalogue: Catalogue, gallery_id: str
) -> None:
    earlier, later = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    assert catalogue.save(later, "new").outcome == "saved"
    assert catalogue.save(earlier, "old").outcome == "superseded"
    assert catalogue.current(gallery_id).upload_id == later.upload_id
    assert catalogue.image(gallery_id).last_seq == later.accepted_seq
    assert catalogue.entry(earlier).outcome == "superseded"
    # Not even by force.
    forced = catalogue.begin(gallery_id, earlier.upload_id, force=True)
    assert catalogue.save(forced, "old").outcome == "superseded"


def test_the_later_upload_replaces_what_the_earlier_one_saved(catalogue: Catalogue, gallery_id: str) -> None:
    earlier, later = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    assert catalogue.save(earlier, "old").outcome == "saved"
    assert catalogue.save(later, "new").outcome == "replaced"
    assert catalogue.current(gallery_id).sha256 == sha256("new")
    versions = {version.upload_id: version.superseded_at for version in catalogue.versions(gallery_id)}
    assert versions[later.upload_id] is None
    assert versions[earlier.upload_id] is not None


@pytest.mark.parametrize("found", ["without a download", "in save"])
def test_unchanged_has_spoken_too(catalogue: Catalogue, gallery_id: str, found: str) -> None:
    """A, then B, then A: B is the middle one, and it finishes last."""
    first, middle, last = (catalogue.begun(gallery_id) for _ in range(3))
    catalogue.save(first, "A")
    if found == "in save":
        assert catalogue.save(last, "A").outcome == "unchanged"
    else:
        assert catalogue.settle(last, "A") == {1: "unchanged"}
    assert catalogue.image(gallery_id).last_seq == last.accepted_seq
    assert catalogue.settle(middle, "B") == {1: "superseded"}
    assert catalogue.current(gallery_id).upload_id == first.upload_id


def test_the_same_content_under_another_recipe_is_a_replacement(catalogue: Catalogue, gallery_id: str) -> None:
    first, second = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    assert catalogue.settle(second, "A", recipe="recipe-two") == {}
    assert catalogue.save(second, "A", recipe="recipe-two").outcome == "replaced"


def test_what_is_settled_is_the_entry_that_is_the_same(catalogue: Catalogue, gallery_id: str) -> None:
    first = catalogue.begun(gallery_id, "a.jpg", "b.jpg")
    catalogue.save(first, "A", number=1)
    catalogue.save(first, "B", number=2)
    second = catalogue.begun(gallery_id, "b.jpg", "a.jpg", "c.jpg")
    # The first is b.jpg: content A is news there.
    assert catalogue.settle(second, "A") == {2: "unchanged"}
    assert catalogue.entry(second, 1).outcome is None


Write = Callable[[Catalogue, Session, Attempt], Any]
WRITES: dict[str, Write] = {
    "lock": lambda _, session, attempt: locks.lock_attempt(session, attempt),
    "finish_attempt": lambda _, session, attempt: attempts.finish_attempt(session, attempt, "completed", "done"),
    "settle_known": lambda books, session, attempt: outcomes.settle_known(
        session, attempt, TERMS, books.entries(attempt, "A"), planning=True
    ),
    "record_problems": lambda _, session, attempt: outcomes.record_problems(
        session, attempt, JUDGES, [problem()], planning=True
    ),
    "claim": lambda _, session, attempt: claims.claim(session, attempt, 10),
    "renew_lease": lambda _, session, attempt: claims.renew_lease(session, attempt),
    "make_plan": lambda books, session, attempt: make_plan(
        session,
        attempt,
        TERMS,
        {entry.staged_key: StoredObject(entry.staged_key, etag("A"), 100) for entry in books.entries(attempt)},
    ),
    "commit_version": lambda books, session, attempt: commit(session, attempt, books.entries(attempt, "B")[0], "B"),
}


def end_from_outside(catalogue: Catalogue, attempt: Attempt, state: UploadState) -> None:
    """As a hook does, or the API's watch, where a run's process is gone or believed to be."""
    with transaction(catalogue.engine) as session:
        claims.leave(session, attempt.owner)
        run_id = session.get_one(UploadRow, attempt.upload_id).flow_run_id
        assert run_id is not None
        attempts.end_run(session, run_id, state, "ended from outside")


def retry_asked_for(catalogue: Catalogue, attempt: Attempt) -> None:
    end_from_outside(catalogue, attempt, "failed")
    with transaction(catalogue.engine) as session:
        uploads.await_retry(locks.lock_upload(session, attempt.upload_id), "tests")


ENDS: dict[str, Callable[[Catalogue, Attempt], None]] = {
    "cancelled": lambda catalogue, attempt: end_from_outside(catalogue, attempt, "cancelled"),
    "crashed": lambda catalogue, attempt: end_from_outside(catalogue, attempt, "crashed"),
    "a retry asked for": retry_asked_for,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_attempt_that_others_have_ended_writes_nothing(
    catalogue: Catalogue, gallery_id: str, write: Write, end: Callable[[Catalogue, Attempt], None]
) -> None:
    attempt = catalogue.begun(gallery_id)
    end(catalogue, attempt)
    with transaction(catalogue.engine) as session:
        before = session.get_one(UploadRow, attempt.upload_id).state
    with pytest.raises(StaleAttempt), transaction(catalogue.engine) as session:
        write(catalogue, session, attempt)
    assert (catalogue.entry(attempt).outcome, catalogue.entry(attempt).etag) == (None, None)
    assert catalogue.versions(gallery_id) == []
    with transaction(catalogue.engine) as session:
        assert session.get_one(UploadRow, attempt.upload_id).state == before


def test_an_end_is_written_once_also_where_the_answer_to_its_commit_was_lost(
    catalogue: Catalogue, gallery_id: str
) -> None:
    attempt = catalogue.begun(gallery_id)
    for _ in range(2):
        with transaction(catalogue.engine) as session:
            attempts.finish_attempt(session, attempt, "completed", "1 of 1 saved")
    with pytest.raises(StaleAttempt), transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, "failed", "1 of 1 failed")
    with transaction(catalogue.engine) as session:
        assert session.get_one(UploadRow, attempt.upload_id).state == "completed"
        calls = session.scalars(select(CallbackRow).where(CallbackRow.upload_id == attempt.upload_id)).all()
    assert len(calls) == 1


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_stale_attempt_writes_nothing(catalogue: Catalogue, gallery_id: str, write: Write) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    stale = catalogue.begun(gallery_id)
    newest = catalogue.begin(gallery_id, stale.upload_id)
    before = (catalogue.image(gallery_id).last_seq, len(catalogue.versions(gallery_id)))
    with pytest.raises(StaleAttempt), transaction(catalogue.engine) as session:
        write(catalogue, session, stale)
    assert catalogue.entry(stale).outcome is None
    assert catalogue.entry(stale).etag is None
    assert catalogue.outbox(stale) == []
    assert (catalogue.image(gallery_id).last_seq, len(catalogue.versions(gallery_id))) == before
    # The newest one may.
    with transaction(catalogue.engine) as session:
        write(catalogue, session, newest)


def test_a_run_without_an_upload_of_its_own_stays_with_the_one_that_it_took(
    catalogue: Catalogue, gallery_id: str
) -> None:
    def begin(flow_run_id: UUID) -> str:
        with transaction(catalogue.engine) as session:
            return attempts.begin_attempt(
                session, gallery_id=gallery_id, upload_id=None, flow_run_id=flow_run_id
            ).upload_id

    first, run = catalogue.open(gallery_id), uuid4()
    catalogue.accept(first)
    assert begin(run) == first
    second = catalogue.open(gallery_id)
    catalogue.accept(second)
    assert begin(run) == first, "its retry"
    assert begin(uuid4()) == second, "another run"


def test_a_start_that_may_have_been_made_is_made_up_for_and_cancelled_with_its_upload(
    catalogue: Catalogue, gallery_id: str
) -> None:
    def due() -> list[uploads.StartRequest]:
        catalogue.put_back(UploadRow.start_after, timedelta(minutes=20), upload_id=upload_id)
        with transaction(catalogue.engine) as session:
            return [each for each in uploads.claim_due_starts(session) if each.upload_id == upload_id]

    upload_id = catalogue.open(gallery_id)
    catalogue.accept(upload_id)
    (lost,) = due()
    with transaction(catalogue.engine) as session:
        attempts.cancel(session, locks.lock_upload(session, upload_id))
    # The answer to the first request, which comes late: the run is not noted, so that it is cancelled.
    with transaction(catalogue.engine) as session:
        uploads.started(session, lost, uuid4())
    (request,) = due()
    assert (lost.is_cancelled, request.is_cancelled) == (False, True)
    with transaction(catalogue.engine) as session:
        uploads.started(session, request, uuid4())
    assert due() == []


def test_the_deletion_of_a_gallery_waits_for_a_save_under_way(catalogue: Catalogue, gallery_id: str) -> None:
    """The image that it creates is not there yet for others, and would outlast the deletion."""
    attempt = catalogue.begun(gallery_id)

    def delete() -> None:
        with transaction(catalogue.engine) as session:
            delete_gallery(session, gallery_id, uploads_bucket=UPLOADS, library_bucket=LIBRARY, requested_by="tests")

    with ThreadPoolExecutor(1) as threads:
        with transaction(catalogue.engine) as session:
            commit(session, attempt, catalogue.entries(attempt, "A")[0], "A")
            session.flush()
            deleted = threads.submit(delete)
            wait_until_waiting(catalogue, 1)
            assert not deleted.done()
        deleted.result()
    assert catalogue.image(gallery_id).current_version_id is None


def test_a_new_attempt_waits_for_the_writes_of_the_former_one(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    with ThreadPoolExecutor(1) as threads:
        with transaction(catalogue.engine) as session:
            commit(session, attempt, catalogue.entries(attempt, "A")[0], "A")
            session.flush()
            following = threads.submit(catalogue.begin, gallery_id, attempt.upload_id)
            wait_until_waiting(catalogue, 1)
            assert not following.done()
        assert following.result().number == 2
    assert catalogue.entry(attempt).outcome == "saved"


@pytest.mark.parametrize("good", ["saved", "replaced", "unchanged", "superseded"])
def test_a_complaint_never_overwrites_a_good_outcome(catalogue: Catalogue, gallery_id: str, good: str) -> None:
    attempt = catalogue.begun(gallery_id)
    if good != "saved":
        contents = {"replaced": "A", "unchanged": "B", "superseded": "A"}
        other = catalogue.begun(gallery_id) if good == "superseded" else attempt
        if other is attempt:
            attempt = catalogue.begun(gallery_id)
        catalogue.save(other, contents[good])
    assert catalogue.save(attempt, "B").outcome == good
    before = catalogue.entry(attempt)
    for outcome in ("failed", "rejected"):
        catalogue.complain(attempt, outcome)
        catalogue.complain(catalogue.begin(gallery_id, attempt.upload_id, force=True), outcome)
        attempt = catalogue.begin(gallery_id, attempt.upload_id)
        entry = catalogue.entry(attempt)
        assert (entry.outcome, entry.reason, entry.finished_at) == (good, None, before.finished_at)


def test_a_later_good_outcome_takes_a_complaint_back(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    catalogue.complain(attempt, "rejected")
    assert (catalogue.entry(attempt).reason, catalogue.entry(attempt).judged_by) == ("not_an_image", JUDGES)
    catalogue.complain(attempt, "failed")
    assert (catalogue.entry(attempt).reason, catalogue.entry(attempt).judged_by) == ("storage_unavailable", None)
    assert catalogue.save(attempt, "A").outcome == "saved"
    entry = catalogue.entry(attempt)
    assert (entry.outcome, entry.stage, entry.reason, entry.message) == ("saved", None, None, None)


def test_a_save_repeated_after_its_answer_was_lost_changes_nothing(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    attempt = catalogue.begun(gallery_id)
    receipt = catalogue.save(attempt, "B")
    assert receipt.outcome == "replaced"
    before = (len(catalogue.versions(gallery_id)), len(catalogue.outbox(attempt)))
    assert catalogue.save(attempt, "B") == receipt
    assert (len(catalogue.versions(gallery_id)), len(catalogue.outbox(attempt))) == before


def test_concurrent_saves_of_one_image_end_with_the_later_upload(catalogue: Catalogue, gallery_id: str) -> None:
    """Two runs side by side, with both orders of arrival among thirty images."""
    names = [f"{number:02}.jpg" for number in range(30)]
    runs = [catalogue.begun(gallery_id, *names) for _ in range(3)]
    barrier = Barrier(3)
    shuffled = random.Random(7)

    def save_all(attempt: Attempt) -> dict[int, Outcome]:
        found = {}
        for number in range(1, len(names) + 1):
            barrier.wait(timeout=60)
            found[number] = catalogue.save(attempt, attempt.upload_id, number=number).outcome
        return found

    shuffled.shuffle(order := list(runs))
    with ThreadPoolExecutor(3) as threads:
        results = dict(zip([run.upload_id for run in order], threads.map(save_all, order), strict=True))
    for number, name in enumerate(names, 1):
        assert catalogue.current(gallery_id, name).upload_id == runs[-1].upload_id
        told = [results[run.upload_id][number] for run in runs]
        assert told[-1] in ("saved", "replaced")
        assert told.count("saved") == 1
    open_versions = [version for version in catalogue.versions(gallery_id) if version.superseded_at is None]
    assert len(open_versions) == len(names)


def test_batches_in_opposite_order_do_not_wait_for_each_other_for_ever(catalogue: Catalogue, gallery_id: str) -> None:
    names = [f"{number:02}.jpg" for number in range(21)]
    first = catalogue.begun(gallery_id, *names)
    for number in range(1, len(names) + 1):
        catalogue.save(first, "A", number=number)
    # The same files, named in opposite order.
    runs = [catalogue.begun(gallery_id, *order) for order in (names, names[::-1])]
    with ThreadPoolExecutor(2) as threads:
        # Both stop at the image in the middle: each holds by then what the other one needs, if their orders differ.
        with transaction(catalogue.engine) as session:
            session.scalars(
                select(ImageRow)
                .where(ImageRow.gallery_id == gallery_id, ImageRow.file_name == names[10])
                .with_for_update()
            ).one()
            settling = [threads.submit(catalogue.settle, run, "A") for run in runs]
            wait_until_waiting(catalogue, 2)
        earlier, later = (set(each.result().values()) for each in settling)
    assert later == {"unchanged"}
    assert earlier <= {"unchanged", "superseded"}
    assert {catalogue.image(gallery_id, name).last_seq for name in names} == {runs[1].accepted_seq}


def test_several_claimers_get_each_accepted_upload_once(databases: Callable[[], Engine], gallery_id: str) -> None:
    engine = databases()
    migrate(engine)
    catalogue = Catalogue(engine)
    waiting = [catalogue.open(gallery_id) for _ in range(40)]
    catalogue.open(gallery_id)  # never completed
    for upload_id in waiting:
        catalogue.accept(upload_id)
    barrier = Barrier(6)

    def claim(_: int) -> list[str]:
        claimed: list[str] = []
        barrier.wait(timeout=60)
        while True:
            with transaction(engine) as session:
                got = uploads.claim_due_starts(session, limit=3)
            if not got:
                return claimed
            claimed += [request.upload_id for request in got]

    with ThreadPoolExecutor(6) as threads:
        claimed = [upload_id for part in threads.map(claim, range(6)) for upload_id in part]
    # One that saw only rows that others were just taking left early; nothing was taken twice.
    assert len(claimed) == len(set(claimed))
    with transaction(engine) as session:
        claimed += [request.upload_id for request in uploads.claim_due_starts(session, limit=100)]
    assert sorted(claimed) == sorted(waiting)


def test_a_start_that_got_lost_comes_up_again_and_one_that_was_noted_does_not(
    databases: Callable[[], Engine], gallery_id: str
) -> None:
    engine = databases()
    migrate(engine)
    catalogue = Catalogue(engine)
    upload_id = catalogue.open(gallery_id)
    catalogue.accept(upload_id)

    def claimed() -> list[str]:
        with transaction(engine) as session:
            return [request.upload_id for request in uploads.claim_due_starts(session)]

    assert claimed() == [upload_id]
    assert claimed() == []
    catalogue.put_back(UploadRow.start_after, timedelta(minutes=2), upload_id=upload_id)
    assert claimed() == [upload_id]
    run, other = uuid4(), uuid4()
    for flow_run_id in (run, other):
        with transaction(engine) as session:
            uploads.started(session, uploads.StartRequest(upload_id, gallery_id, 1), flow_run_id)
    catalogue.put_back(UploadRow.start_after, timedelta(minutes=2), upload_id=upload_id)
    assert claimed() == []
    with transaction(engine) as session:
        assert session.get_one(UploadRow, upload_id).flow_run_id == run


def test_an_end_from_outside_is_written_unless_the_run_has_written_its_own(
    catalogue: Catalogue, gallery_id: str
) -> None:
    attempt = catalogue.begun(gallery_id)

    def row() -> UploadRow:
        with transaction(catalogue.engine) as session:
            return session.get_one(UploadRow, attempt.upload_id)

    def end(state: Any) -> None:
        run = row().flow_run_id
        assert run is not None
        with transaction(catalogue.engine) as session:
            attempts.end_run(session, run, state, "from outside")

    end("cancelled")
    assert row().state == "cancelled"
    attempt = catalogue.begin(gallery_id, attempt.upload_id)
    assert (row().state, row().finished_at) == ("running", None)
    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, "completed_with_rejects", "2 of 3")
    end("crashed")
    assert row().state == "completed_with_rejects"
