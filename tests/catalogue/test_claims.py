"""Who works on what: claims, their leases, and what becomes of those who are late."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from gallery.catalogue import attempts, claims, outbox, outcomes
from gallery.catalogue.connect import transaction
from gallery.catalogue.counts import count_outcomes, list_kept
from gallery.catalogue.plan import Plan, make_plan
from gallery.catalogue.tables import EntryRow, OwnerRow, UploadRow
from gallery.errors import ClaimLost, ConflictError, ResultGone, StaleAttempt
from gallery.models import Attempt, Deleted, Entry, EntryProblem, ProcessedImage, Rendition, UploadState
from gallery.storage.keys import EntryKeys
from gallery.storage.s3 import StoredObject
from tests.catalogue.conftest import (
    JUDGES,
    LIBRARY,
    RECIPE,
    TERMS,
    UPLOADS,
    Catalogue,
    commit,
    etag,
    lapse,
    problem,
    sha256,
)

NAMES = tuple(f"{number:02}.jpg" for number in range(1, 13))


def planned(catalogue: Catalogue, attempt: Attempt) -> Plan:
    staged = {entry.staged_key: StoredObject(entry.staged_key, etag("A"), 100) for entry in catalogue.entries(attempt)}
    with transaction(catalogue.engine) as session:
        return make_plan(session, attempt, TERMS, staged)


def claim(catalogue: Catalogue, attempt: Attempt, limit: int = 100) -> list[Entry]:
    with transaction(catalogue.engine) as session:
        return claims.claim(session, attempt, limit)


def joined(catalogue: Catalogue, attempt: Attempt) -> Attempt:
    """The same attempt, as another process of it sees it."""
    other = replace(attempt, owner=uuid4())
    with transaction(catalogue.engine) as session:
        claims.join(session, other, flow_run_id=None, host="elsewhere", process_id=1)
    return other


def save(catalogue: Catalogue, attempt: Attempt, entry: Entry, content: str = "A") -> str:
    with transaction(catalogue.engine) as session:
        return commit(session, attempt, entry, content, held=False).outcome


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.number for entry in entries]


def unfinished(catalogue: Catalogue, attempt: Attempt) -> int:
    with transaction(catalogue.engine) as session:
        return claims.count_unfinished(session, attempt)


def finish(catalogue: Catalogue, attempt: Attempt) -> None:
    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, "completed", "done")


def test_entries_are_claimed_in_order_each_once_with_a_number_of_its_own(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES)
    assert claim(catalogue, attempt) == []
    plan = planned(catalogue, attempt)
    assert (plan.todo, plan.settled, plan.problems) == (12, 0, ())
    first, second, third = (claim(catalogue, attempt, limit) for limit in (5, 100, 100))
    assert (numbers(first), numbers(second), third) == ([1, 2, 3, 4, 5], list(range(6, 13)), [])
    assert len({entry.write_number for entry in [*first, *second]}) == 12
    assert all(entry.write_number > 0 for entry in [*first, *second])
    assert {(entry.etag, entry.size) for entry in first} == {(etag("A"), 100)}


def test_processes_that_claim_at_the_same_time_share(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES)
    planned(catalogue, attempt)
    owners = [attempt, *(joined(catalogue, attempt) for _ in range(3))]

    def work(owner: Attempt) -> list[int]:
        mine: list[int] = []
        while entries := claim(catalogue, owner, 2):
            mine += numbers(entries)
            for entry in entries:
                assert save(catalogue, owner, entry) == "saved"
        return mine

    with ThreadPoolExecutor(4) as threads:
        done = [number for mine in threads.map(work, owners) for number in mine]
    assert sorted(done) == list(range(1, 13))
    assert unfinished(catalogue, attempt) == 0
    finish(catalogue, attempt)


@pytest.mark.parametrize("how", ["its lease runs out", "it leaves"])
def test_what_a_process_has_claimed_and_not_done_is_taken_over(catalogue: Catalogue, gallery_id: str, how: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES)
    planned(catalogue, attempt)
    late = joined(catalogue, attempt)
    claimed = claim(catalogue, late, 4)
    assert save(catalogue, late, claimed[0]) == "saved"
    assert numbers(claim(catalogue, attempt)) == list(range(5, 13))
    assert claim(catalogue, attempt) == []
    if how == "it leaves":
        with transaction(catalogue.engine) as session:
            claims.leave(session, late.owner)
    else:
        lapse(catalogue, late)
    taken = claim(catalogue, attempt)
    assert numbers(taken) == [2, 3, 4]
    assert all(new.write_number > old.write_number for new, old in zip(taken, claimed[1:], strict=True))


def test_who_has_lost_a_claim_writes_nothing_of_it(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES[:4])
    planned(catalogue, attempt)
    late = joined(catalogue, attempt)
    claimed = claim(catalogue, late, 4)
    lapse(catalogue, late)
    taken = claim(catalogue, attempt, 2)
    assert numbers(taken) == [1, 2]
    # The other two are still its own: nobody has wanted them.
    assert save(catalogue, late, claimed[2]) == "saved"
    with pytest.raises(ClaimLost):
        save(catalogue, late, claimed[0])
    with transaction(catalogue.engine) as session:
        outcomes.record_problems(session, late, JUDGES, [problem("rejected", 1), problem("failed", 4)])
    assert (catalogue.entry(attempt, 1).outcome, catalogue.entry(attempt, 4).outcome) == (None, "failed")
    for entry in taken:
        assert save(catalogue, attempt, entry) == "saved"
    # Nor after the new owner is through.
    with transaction(catalogue.engine) as session:
        outcomes.record_problems(session, late, JUDGES, [problem("rejected", 1)])
    assert catalogue.entry(attempt, 1).outcome == "saved"
    with transaction(catalogue.engine) as session:
        assert count_outcomes(session, attempt.upload_id).by_outcome == {"saved": 3, "failed": 1}


def test_who_has_lost_a_claim_settles_nothing(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES[:2])
    planned(catalogue, attempt)
    late = joined(catalogue, attempt)
    claimed = claim(catalogue, late)
    # A later upload has brought the image meanwhile.
    catalogue.save(catalogue.begun(gallery_id, NAMES[0]), "A")
    lapse(catalogue, late)
    claim(catalogue, attempt, 1)
    with pytest.raises(ClaimLost), transaction(catalogue.engine) as session:
        outcomes.settle_known(session, late, TERMS, claimed)
    assert catalogue.entry(attempt, 1).outcome is None


def test_an_attempt_does_not_end_while_something_is_left_to_do(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES[:2])
    planned(catalogue, attempt)
    other = joined(catalogue, attempt)
    mine, theirs = claim(catalogue, attempt, 1), claim(catalogue, other, 1)
    save(catalogue, attempt, mine[0])
    with pytest.raises(ConflictError, match="1 images are not done"):
        finish(catalogue, attempt)
    save(catalogue, other, theirs[0])
    finish(catalogue, attempt)
    with transaction(catalogue.engine) as session:
        assert session.scalars(select(OwnerRow).where(OwnerRow.upload_id == attempt.upload_id)).all() == []


def test_a_claim_of_an_ended_attempt_is_worth_nothing(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES[:2])
    planned(catalogue, attempt)
    claimed = claim(catalogue, attempt)
    newer = catalogue.begin(gallery_id, attempt.upload_id)
    with transaction(catalogue.engine) as session:
        rows = session.scalars(select(EntryRow).where(EntryRow.upload_id == attempt.upload_id)).all()
        assert {(row.claimed_by, row.todo_attempt) for row in rows} == {(None, None)}
    planned(catalogue, newer)
    with pytest.raises(StaleAttempt):
        save(catalogue, attempt, claimed[0])
    with pytest.raises(StaleAttempt), transaction(catalogue.engine) as session:
        claims.renew_lease(session, attempt)
    assert numbers(claim(catalogue, newer)) == [1, 2]


def test_what_is_handed_back_comes_up_again_under_another_number(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, *NAMES[:3])
    planned(catalogue, attempt)
    claimed = claim(catalogue, attempt)
    with transaction(catalogue.engine) as session:
        claims.hand_back(session, attempt, [2])
    again = claim(catalogue, attempt)
    assert numbers(again) == [2]
    assert again[0].write_number != claimed[1].write_number


@pytest.mark.parametrize("is_done", [False, True], ids=["due", "done"])
def test_a_cached_result_whose_files_are_given_up_is_not_saved(
    catalogue: Catalogue, gallery_id: str, is_done: bool
) -> None:
    attempt = catalogue.begun(gallery_id)
    planned(catalogue, attempt)
    (entry,) = claim(catalogue, attempt)
    former = EntryKeys(gallery_id, attempt.upload_id, 1, entry.write_number - 1)
    image = processed(former)
    with transaction(catalogue.engine) as session:
        given_up = [(LIBRARY, image.renditions[0].key, None)]
        deletions = outbox.put_in_outbox(session, attempt.upload_id, 1, given_up, timedelta(0))
        if is_done:
            outbox.note_deleted(session, Deleted(done=list(deletions)))
    with pytest.raises(ResultGone):
        commit_image(catalogue, attempt, entry, image)
    assert catalogue.versions(gallery_id) == []
    assert (
        commit_image(catalogue, attempt, entry, processed(replace(former, write_number=entry.write_number))) == "saved"
    )


def processed(keys: EntryKeys) -> ProcessedImage:
    rendition = Rendition(
        style="large", key=keys.rendition("large", "0" * 64, ".jpg"), width=10, height=10, bytes=9,
        content_type="image/jpeg", etag="e",
    )  # fmt: skip
    return ProcessedImage(
        sha256=sha256("A"), recipe_id=RECIPE, width=20, height=10, source_format="jpeg", extension=".jpg", metadata={},
        renditions=(rendition,),
    )  # fmt: skip


def commit_image(catalogue: Catalogue, attempt: Attempt, entry: Entry, image: ProcessedImage) -> str:
    from gallery.catalogue.save import commit_version

    keys = EntryKeys(attempt.gallery_id, attempt.upload_id, entry.number, entry.write_number)
    with transaction(catalogue.engine) as session:
        return commit_version(
            session, attempt, entry, image,
            original_key=keys.original(".jpg"), uploads_bucket=UPLOADS, library_bucket=LIBRARY,
        ).outcome  # fmt: skip


def test_a_reported_crash_ends_an_attempt_only_where_no_process_works_on_it(
    catalogue: Catalogue, gallery_id: str
) -> None:
    attempt = catalogue.begun(gallery_id)
    planned(catalogue, attempt)
    assert reported(catalogue, attempt, "crashed") == "running"
    assert reported(catalogue, attempt, "failed") == "running"
    lapse(catalogue, attempt)
    assert reported(catalogue, attempt, "crashed") == "crashed"


def test_a_reported_crash_ends_an_attempt_whose_process_is_known_to_be_gone(
    catalogue: Catalogue, gallery_id: str
) -> None:
    attempt = catalogue.begun(gallery_id)
    planned(catalogue, attempt)
    assert reported(catalogue, attempt, "crashed", lambda host, process_id: True) == "crashed"


def test_a_cancelled_run_ends_its_attempt_at_once(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    assert reported(catalogue, attempt, "cancelled") == "cancelled"
    with pytest.raises(StaleAttempt):
        claim(catalogue, attempt)


def reported(
    catalogue: Catalogue, attempt: Attempt, state: UploadState, is_gone: Callable[[str, int], bool] | None = None
) -> UploadState:
    """The upload's state after Prefect has reported an end of its run."""
    with transaction(catalogue.engine) as session:
        run_id = session.get_one(UploadRow, attempt.upload_id).flow_run_id
        assert run_id is not None
        attempts.end_run(session, run_id, state, "reported", is_gone=is_gone)
        return session.get_one(UploadRow, attempt.upload_id, populate_existing=True).state


def test_a_forced_run_tells_what_it_could_not_redo_over_all_its_attempts(catalogue: Catalogue, gallery_id: str) -> None:
    upload = catalogue.begun(gallery_id, *NAMES[:3]).upload_id
    first = catalogue.begin(gallery_id, upload)
    for number in (1, 2, 3):
        catalogue.save(first, "A", number=number)
    run_id = uuid4()
    forced = forced_attempt(catalogue, gallery_id, upload, run_id)
    catalogue.complain(forced, number=1)
    catalogue.complain(forced, number=2)
    again = forced_attempt(catalogue, gallery_id, upload, run_id)
    assert again.first_of_run == forced.number
    catalogue.save(again, "A", number=2)
    assert [kept.number for kept in kept_of(catalogue, forced)] == [1, 2]
    assert [kept.number for kept in kept_of(catalogue, again)] == [1]
    assert catalogue.entry(again, 1).outcome == "saved"


def forced_attempt(catalogue: Catalogue, gallery_id: str, upload_id: str, run_id: UUID) -> Attempt:
    with transaction(catalogue.engine) as session:
        return attempts.begin_attempt(
            session,
            gallery_id=gallery_id,
            upload_id=upload_id,
            flow_run_id=run_id,
            force=True,
        )


def kept_of(catalogue: Catalogue, attempt: Attempt) -> list[EntryProblem]:
    with transaction(catalogue.engine) as session:
        return list_kept(session, attempt)
