"""What an accepted upload waits for, and how many uploads are before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select, update

from gallery.catalogue import attempts, uploads
from gallery.catalogue.conditions import OPEN, PLACES, PREFECT, WORKERS, note_condition
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_upload
from gallery.catalogue.migrate import migrate
from gallery.catalogue.status import read_status
from gallery.catalogue.tables import ConditionRow, UploadRow
from gallery.models import WaitsFor
from tests.catalogue.conftest import Catalogue, NewDatabase


@pytest.fixture(scope="module")
def only_catalogue(databases: NewDatabase) -> Catalogue:
    """A catalogue without uploads of other tests, which would be before those of a test here."""
    engine = databases()
    migrate(engine)
    return Catalogue(engine)


@pytest.fixture
def catalogue(only_catalogue: Catalogue) -> Iterator[Catalogue]:
    yield only_catalogue
    with transaction(only_catalogue.engine) as session:
        session.execute(update(UploadRow).values(state="cancelled"))
        session.execute(delete(ConditionRow))


def accepted(catalogue: Catalogue, gallery_id: str) -> str:
    upload_id = catalogue.open(gallery_id)
    catalogue.accept(upload_id)
    return upload_id


def waiting(catalogue: Catalogue, upload_id: str) -> tuple[WaitsFor, int] | None:
    with transaction(catalogue.engine) as session:
        found = read_status(session, upload_id).waiting
    return (found.waits_for, found.uploads_before) if found else None


def note(catalogue: Catalogue, *unwell: str) -> None:
    with transaction(catalogue.engine) as session:
        for name in (PREFECT, OPEN, WORKERS, PLACES):
            note_condition(session, name, is_well=name not in unwell)


def test_before_an_upload_are_those_accepted_earlier_and_all_that_are_running(
    catalogue: Catalogue, gallery_id: str
) -> None:
    catalogue.open(gallery_id)
    first, second, third = (accepted(catalogue, gallery_id) for _ in range(3))
    assert [waiting(catalogue, one) for one in (first, second, third)] == [("start", 0), ("place", 1), ("place", 2)]

    # A worker may take a later one first.
    attempt = catalogue.begin(gallery_id, second)
    note(catalogue, PLACES)
    assert [waiting(catalogue, one) for one in (first, second, third)] == [("place", 1), None, ("place", 2)]
    note(catalogue)
    assert waiting(catalogue, first) == ("start", 1)

    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, "failed", "")
    assert [waiting(catalogue, one) for one in (first, second, third)] == [("start", 0), None, ("place", 1)]


def test_a_retry_waits_behind_those_that_were_waiting_when_it_was_asked_for(
    catalogue: Catalogue, gallery_id: str
) -> None:
    attempt = catalogue.begun(gallery_id)
    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, "failed", "")
    before = accepted(catalogue, gallery_id)
    with transaction(catalogue.engine) as session:
        uploads.await_retry(lock_upload(session, attempt.upload_id), "ops")
    behind = accepted(catalogue, gallery_id)
    found = [waiting(catalogue, one) for one in (before, attempt.upload_id, behind)]
    assert found == [("start", 0), ("place", 1), ("place", 2)]


def test_uploads_accepted_at_the_same_time_are_in_the_order_of_their_numbers(
    catalogue: Catalogue, gallery_id: str
) -> None:
    all_three = [accepted(catalogue, gallery_id) for _ in range(3)]
    with transaction(catalogue.engine) as session:
        session.execute(update(UploadRow).values(accepted_at="2026-11-28T12:00:00Z"))
    assert [waiting(catalogue, one) for one in all_three] == [("start", 0), ("place", 1), ("place", 2)]


@pytest.mark.parametrize(
    ("unwell", "told"),
    [
        ((), "start"),
        ((PLACES,), "place"),
        ((PLACES, WORKERS), "worker"),
        ((PLACES, WORKERS, OPEN), "paused"),
        ((PLACES, WORKERS, OPEN, PREFECT), "prefect"),
        (("something else",), "start"),
    ],
    ids=["nothing", "place", "worker", "paused", "prefect", "unrelated"],
)
def test_what_is_in_the_way_of_all_is_told_first(
    catalogue: Catalogue, gallery_id: str, unwell: tuple[str, ...], told: WaitsFor
) -> None:
    catalogue.begun(gallery_id)
    upload_id = accepted(catalogue, gallery_id)
    note(catalogue, *unwell)
    with transaction(catalogue.engine) as session:
        note_condition(session, "something else", is_well="something else" not in unwell)
    assert waiting(catalogue, upload_id) == (told, 1)


def test_a_place_may_be_taken_by_what_the_catalogue_does_not_know_of(catalogue: Catalogue, gallery_id: str) -> None:
    """A run that was retried in Prefect's UI and has not begun; a rebuild, where the pool has a limit."""
    upload_id = accepted(catalogue, gallery_id)
    note(catalogue, PLACES)
    assert waiting(catalogue, upload_id) == ("place", 0)


def test_a_run_that_prefect_did_not_create_is_waited_for_though_prefect_answers(
    catalogue: Catalogue, gallery_id: str
) -> None:
    upload_id = accepted(catalogue, gallery_id)
    note(catalogue)
    told = []
    for _ in range(2):
        catalogue.put_back(UploadRow.start_after, timedelta(minutes=2), upload_id=upload_id)
        with transaction(catalogue.engine) as session:
            assert [due.upload_id for due in uploads.claim_due_starts(session)] == [upload_id]
        told.append(waiting(catalogue, upload_id))
    assert told == [("start", 0), ("prefect", 0)]
    with transaction(catalogue.engine) as session:
        uploads.started(session, uploads.StartRequest(upload_id, gallery_id, 1), uuid4())
    assert waiting(catalogue, upload_id) == ("start", 0)


def test_a_running_upload_waits_only_while_its_run_is_paused(catalogue: Catalogue, gallery_id: str) -> None:
    upload_id = accepted(catalogue, gallery_id)
    attempt = catalogue.begin(gallery_id, upload_id)
    assert waiting(catalogue, upload_id) is None
    with transaction(catalogue.engine) as session:
        lock_upload(session, upload_id).paused_at = session.scalar(select(func.now()))
    assert waiting(catalogue, upload_id) == ("paused", 0)
    assert catalogue.begin(gallery_id, upload_id).number == attempt.number + 1
    assert waiting(catalogue, upload_id) is None
