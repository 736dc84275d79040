"""What cleanup deletes: each row of the design's table, read from the outbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from gallery.catalogue import outbox
from gallery.catalogue.backlog import read_backlog
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_image
from gallery.catalogue.tables import OutboxRow, VersionRow
from gallery.models import Deleted
from tests.catalogue.conftest import (
    LIBRARY,
    RECIPE,
    UPLOADS,
    Catalogue,
    deletions_of,
    etag,
    in_library,
    places,
    prefix_of,
    wait_until_waiting,
)


def test_the_first_version_of_an_image_deletes_nothing(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    receipt = catalogue.save(attempt, "A")
    assert (receipt.outcome, receipt.deletions) == ("saved", ())
    assert catalogue.outbox(attempt) == []
    assert catalogue.current_keys(gallery_id) == catalogue.keys(attempt)


def test_a_replacement_deletes_its_staged_file_and_the_former_version(catalogue: Catalogue, gallery_id: str) -> None:
    first, second = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    receipt = catalogue.save(second, "B")
    assert receipt.outcome == "replaced"
    staged = (UPLOADS, f"{prefix_of(second)}a.jpg", etag("B"))
    # The staged file only while it is still the one that was saved.
    assert deletions_of(receipt) == in_library(catalogue.keys(first)) | {staged}
    assert catalogue.due(second) == deletions_of(receipt)
    assert catalogue.current_keys(gallery_id) == catalogue.keys(second)


def test_replaced_versions_may_be_kept_for_days(catalogue: Catalogue, gallery_id: str) -> None:
    first, second = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    receipt = catalogue.save(second, "B", keep_replaced=timedelta(days=7))
    staged = {(UPLOADS, f"{prefix_of(second)}a.jpg", etag("B"))}
    assert deletions_of(receipt) == catalogue.due(second) == staged
    former = [row for row in catalogue.outbox(second) if row.bucket == LIBRARY]
    assert places(former) == in_library(catalogue.keys(first))
    for row in former:
        assert timedelta(days=6, hours=23) < row.due_at - datetime.now(UTC) <= timedelta(days=7)
    catalogue.put_back(OutboxRow.due_at, timedelta(days=7), upload_id=second.upload_id, bucket=LIBRARY)
    assert catalogue.due(second) == staged | in_library(catalogue.keys(first))


@pytest.mark.parametrize("outcome", ["unchanged", "superseded"])
def test_what_was_not_taken_gives_up_its_own_new_objects_and_keeps_its_staged_file(
    catalogue: Catalogue, gallery_id: str, outcome: str
) -> None:
    one, two = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    taken, given_up = (one, two) if outcome == "unchanged" else (two, one)
    catalogue.save(taken, "A")
    receipt = catalogue.save(given_up, "A" if outcome == "unchanged" else "B")
    assert receipt.outcome == outcome
    assert deletions_of(receipt) == catalogue.due(given_up) == in_library(catalogue.keys(given_up))
    assert catalogue.current_keys(gallery_id) == catalogue.keys(taken)


@pytest.mark.parametrize("outcome", ["rejected", "failed"])
def test_a_rejected_or_failed_file_deletes_nothing(catalogue: Catalogue, gallery_id: str, outcome: str) -> None:
    first, second = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    catalogue.complain(second, outcome)
    assert catalogue.outbox(first, second) == []
    assert catalogue.current_keys(gallery_id) == catalogue.keys(first)


def test_known_content_settled_without_a_download_deletes_nothing(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    again = catalogue.begun(gallery_id)
    assert catalogue.settle(again, "A") == {1: "unchanged"}
    assert catalogue.outbox(again) == []


def test_a_forced_repeat_of_an_upload_gives_up_what_it_wrote_before(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    catalogue.save(attempt, "A")
    former = catalogue.current_keys(gallery_id)
    forced = catalogue.begin(gallery_id, attempt.upload_id, force=True)
    receipt = catalogue.save(forced, "A")
    assert receipt.outcome == "replaced"
    # Not the staged file: what the upload has brought is what it was.
    assert deletions_of(receipt) == in_library(former)
    assert catalogue.entry(attempt).outcome == "saved"
    current = catalogue.current_keys(gallery_id)
    assert current == catalogue.keys(attempt)
    assert former.isdisjoint(current)

    # Under another recipe, and back to the first one: no key is ever current twice.
    seen = former | current
    for recipe in ("recipe-two", RECIPE):
        catalogue.save(catalogue.begin(gallery_id, attempt.upload_id, force=True), "A", recipe=recipe)
        current = catalogue.current_keys(gallery_id)
        assert seen.isdisjoint(current)
        assert {place for place in catalogue.due(attempt) if place[0] == LIBRARY} == in_library(seen)
        seen |= current


def test_what_is_found_unchanged_in_save_gives_up_its_own_files_and_none_of_the_version(
    catalogue: Catalogue, gallery_id: str
) -> None:
    """The entry's outcome was lost, its version was not: no key that a row refers to may go."""
    attempt = catalogue.begun(gallery_id)
    catalogue.save(attempt, "A")
    current = catalogue.current_keys(gallery_id)
    with transaction(catalogue.engine) as session:
        session.merge(catalogue.entry(attempt)).outcome = None
    receipt = catalogue.save(attempt, "A")
    assert receipt.outcome == "unchanged"
    assert deletions_of(receipt) == in_library(catalogue.keys(attempt))
    assert catalogue.current_keys(gallery_id) == current


def test_a_key_that_a_current_version_refers_to_is_never_due(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    catalogue.save(attempt, "A")
    keys = {*catalogue.current_keys(gallery_id), f"{prefix_of(attempt)}1/left-over.jpg"}
    with transaction(catalogue.engine) as session:
        rows = [{"bucket": LIBRARY, "key": key, "upload_id": attempt.upload_id, "entry_number": 1} for key in keys]
        session.execute(insert(OutboxRow), rows)
    assert catalogue.due(attempt) == in_library({f"{prefix_of(attempt)}1/left-over.jpg"})


def test_a_save_under_way_that_takes_a_key_up_again_is_waited_for_before_it_is_deleted(
    catalogue: Catalogue, gallery_id: str
) -> None:
    """As a worker of release 0.1.0 may, whose keys have no write number."""
    first, second = catalogue.begun(gallery_id), catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    receipt = catalogue.save(second, "B")

    def left() -> set[tuple[str, str, str | None]]:
        with transaction(catalogue.engine) as session:
            return places(outbox.still_to_do(session, receipt.deletions))

    assert left() == deletions_of(receipt)
    with ThreadPoolExecutor(1) as threads:
        with transaction(catalogue.engine) as session:
            lock_image(session, gallery_id, catalogue.image(gallery_id).image_id)
            mine = VersionRow.upload_id == first.upload_id
            session.execute(update(VersionRow).where(mine).values(superseded_at=None))
            looked = threads.submit(left)
            wait_until_waiting(catalogue, 1)
        assert looked.result() == {(UPLOADS, f"{prefix_of(second)}a.jpg", etag("B"))}


def test_done_once_is_done_and_the_first_time_stays(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    attempt = catalogue.begun(gallery_id)
    receipt = catalogue.save(attempt, "B")
    times = []
    for _ in range(2):
        with transaction(catalogue.engine) as session:
            outbox.note_deleted(session, Deleted(done=list(receipt.deletions)))
        times.append([row.done_at for row in catalogue.outbox(attempt)])
    assert times[0] == times[1]
    assert None not in times[0]
    assert catalogue.due(attempt) == set()
    assert catalogue.save(attempt, "B").deletions == ()


def test_what_was_tried_in_vain_is_counted_and_taken_by_a_sweep(catalogue: Catalogue, gallery_id: str) -> None:
    values = {"bucket": LIBRARY, "key": f"{gallery_id}/u/1/1/original.jpg", "upload_id": f"u-{gallery_id}"}
    with transaction(catalogue.engine) as session:
        session.execute(insert(OutboxRow).values(**values, entry_number=1, requested_by="somebody"))
        before = read_backlog(session).outbox_due
    with transaction(catalogue.engine) as session:
        mine = [one for one in outbox.claim_requested(session) if one.key == values["key"]]
    assert len(mine) == 1
    with transaction(catalogue.engine) as session:
        # It comes up again by itself later; until then it is not done, and whoever sweeps takes it.
        assert [one for one in outbox.claim_requested(session) if one.key == values["key"]] == []
        assert read_backlog(session).outbox_due == before
        assert mine[0] in outbox.list_left(session, after=0, limit=10_000)
        outbox.note_deleted(session, Deleted(refused={mine[0]: "AccessDenied"}))
        assert read_backlog(session).outbox_refused >= 1
        assert mine[0] in outbox.list_left(session, after=0, limit=10_000)
        outbox.note_deleted(session, Deleted(done=mine))
        assert mine[0] not in outbox.list_left(session, after=0, limit=10_000)
        assert read_backlog(session).outbox_due == before - 1
