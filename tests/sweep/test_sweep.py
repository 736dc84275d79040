"""What a sweep takes and what it never does, on a real catalogue and real buckets."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text

from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_snapshot
from gallery.catalogue.snapshots import UploadSnapshot
from gallery.catalogue.tables import OutboxRow
from gallery.errors import ConfigurationError, MissingBucket, RefusedRequest, StaleUpkeep, TransientError
from gallery.ingest.scratch import REBUILD_SCRATCH
from gallery.settings import load_settings
from gallery.storage.keys import RESULTS_PREFIX
from gallery.sweep import context
from gallery.sweep.run import sweep
from tests.catalogue.conftest import prefix_of
from tests.conftest import Servers
from tests.sweep.conftest import OTHER_RECIPE, RECIPE, Yard, gone, left
from tests.test_docs import SERVERS


def test_what_no_version_refers_to_goes_and_what_one_refers_to_stays(yard: Yard, gallery_id: str) -> None:
    attempt = yard.catalogue.begun(gallery_id)
    current = yard.save(attempt, "A")
    yard.end(attempt)
    failed = yard.ended(gallery_id, state="failed")
    leftover = {
        left(failed),
        left(failed, "original.jpg"),
        left(failed, "original"),
        left(attempt, "old-0123abce.avif"),
    }
    yard.put(*leftover)

    dry = yard.sweep(dry_run=True)
    assert yard.library() == current | leftover
    assert dry.message == "would delete 4 objects, 0.0 MB: 4 unreferenced"
    assert set(dry.gone["unreferenced"].first) == leftover
    assert dry.gone["unreferenced"].bytes == 4 * len(b"library")

    done = yard.sweep()
    assert yard.library() == current
    assert done.message == "deleted 4 objects, 0.0 MB: 4 unreferenced"
    assert yard.sweep().message == f"nothing to delete, {len(current)} objects looked at"


def test_a_sweep_whose_retry_has_begun_deletes_nothing_more(yard: Yard, gallery_id: str) -> None:
    leftover = left(yard.ended(gallery_id))
    yard.put(leftover)
    run = uuid4()
    frozen, retried = yard.begin(run), yard.begin(run)
    with pytest.raises(StaleUpkeep):
        yard.sweep(upkeep=frozen)
    assert yard.library() == {leftover}
    assert gone(yard.sweep(upkeep=retried)) == {"unreferenced": 1}


def test_the_folder_of_a_rebuild_under_way_is_as_old_as_what_it_wrote_last(yard: Yard) -> None:
    folder = yard.settings.scratch_dir / REBUILD_SCRATCH / str(uuid4())
    (folder / "1").mkdir(parents=True)
    long_ago = time.time() - 86_400
    os.utime(folder, (long_ago, long_ago))
    assert gone(yard.sweep(days=2.5)) == {}
    os.utime(folder / "1", (long_ago, long_ago))
    os.utime(folder, (long_ago, long_ago))
    assert gone(yard.sweep(days=2.5)) == {"scratch": 1}


def test_nothing_within_the_grace_goes(yard: Yard, gallery_id: str) -> None:
    leftover = left(yard.ended(gallery_id))
    yard.put(leftover)
    assert gone(yard.sweep(days=2.9)) == {}
    assert gone(yard.sweep(days=4, grace_days=5)) == {}
    with pytest.raises(RefusedRequest, match="GALLERY_SWEEP_GRACE_DAYS \\(3\\)"):
        yard.sweep(grace_days=2)
    assert yard.library() == {leftover}
    assert gone(yard.sweep(days=3.1)) == {"unreferenced": 1}


def test_a_grace_shorter_than_cached_results_last_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="GALLERY_SWEEP_GRACE_DAYS"):
        load_settings({**SERVERS, "GALLERY_SWEEP_GRACE_DAYS": "1"})


@pytest.mark.parametrize("state", ["open", "accepted", "running"])
def test_nothing_of_an_upload_with_an_open_run_goes(yard: Yard, gallery_id: str, state: str) -> None:
    upload_id = yard.catalogue.open(gallery_id)
    if state != "open":
        yard.catalogue.accept(upload_id)
    attempt = 1
    if state == "running":
        attempt = yard.catalogue.begin(gallery_id, upload_id).number
    prefix = f"{gallery_id}/{upload_id}"
    yard.put(f"{prefix}/1/original.jpg")
    yard.stage(f"{prefix}/a.jpg")
    folder = yard.settings.scratch_dir / upload_id / str(attempt)
    folder.mkdir(parents=True)
    findings = yard.sweep(days=1000)
    assert gone(findings) == {}
    assert findings.unknown.count == 0
    assert folder.is_dir()
    assert (yard.library(), yard.staged()) == ({f"{prefix}/1/original.jpg"}, {f"{prefix}/a.jpg"})


def test_what_is_not_of_our_making_is_reported_and_left_alone(yard: Yard, gallery_id: str) -> None:
    attempt = yard.ended(gallery_id)
    strange = {
        "readme.txt",
        "Another/tool/1/original.jpg",
        left(attempt, "notes.txt"),
        f"{prefix_of(attempt)}x/original.jpg",
        # An upload that this catalogue does not know, and one under another gallery than its own.
        f"{gallery_id}/unknown/1/original.jpg",
        f"other-gallery/{attempt.upload_id}/1/original.jpg",
    }
    yard.put(*strange)
    yard.stage("no-upload.jpg")
    scratch = yard.settings.scratch_dir
    (scratch / "nobody-knows" / "1").mkdir(parents=True)
    findings = yard.sweep(days=1000)
    assert gone(findings) == {}
    assert set(findings.unknown.first) == {*strange, "no-upload.jpg", str(scratch / "nobody-knows")}
    assert findings.message.endswith("; 8 unknown left alone")
    assert yard.library() == strange
    assert (scratch / "nobody-knows" / "1").is_dir()


def test_a_retry_that_begins_after_the_look_keeps_its_objects(
    yard: Yard, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = yard.ended(gallery_id, state="failed")
    yard.put(left(attempt))

    def begins(session: object, upload_id: str) -> UploadSnapshot | None:
        if not yard.catalogue.entry(attempt).outcome:
            saved = yard.catalogue.begin(gallery_id, upload_id)
            yard.save(saved, "A")
            yard.end(saved)
        return lock_snapshot(session, upload_id)  # type: ignore[arg-type]

    monkeypatch.setattr(context, "lock_snapshot", begins)
    assert gone(yard.sweep()) == {}
    assert yard.library() == {left(attempt), *yard.catalogue.keys(attempt, recipe=RECIPE)}


def test_no_attempt_begins_while_its_objects_are_deleted(yard: Yard, stores: Servers, gallery_id: str) -> None:
    attempt = yard.ended(gallery_id, state="failed")
    yard.put(left(attempt))
    refused: list[TransientError] = []

    def begin() -> None:
        try:
            with transaction(yard.catalogue.engine) as session:
                session.execute(text("SET LOCAL lock_timeout = '100ms'"))
                lock_snapshot(session, attempt.upload_id)
        except TransientError as error:
            refused.append(error)

    with stores.s3.fault("POST", f"/{yard.settings.library_bucket}", before=begin):
        assert gone(yard.sweep()) == {"unreferenced": 1}
    assert [error.reason for error in refused] == ["database_unavailable"]
    assert yard.catalogue.begin(gallery_id, attempt.upload_id).number == 2


def test_staged_files_go_when_their_upload_ended_long_ago(yard: Yard, gallery_id: str) -> None:
    ended = yard.ended(gallery_id, state="completed")
    yard.stage(f"{prefix_of(ended)}a.jpg", f"{gallery_id}/never-called/x/a.jpg")
    assert gone(yard.sweep(days=13.9)) == {}, "a failed upload's retry needs them"
    kept = yard.catalogue.open(gallery_id)
    yard.stage(f"{gallery_id}/{kept}/a.jpg")
    assert gone(yard.sweep(days=14.1)) == {"staged": 2}
    assert yard.staged() == {f"{gallery_id}/{kept}/a.jpg"}


def test_a_staged_file_that_changed_after_the_listing_stays(yard: Yard, stores: Servers, gallery_id: str) -> None:
    key = f"{prefix_of(yard.ended(gallery_id))}a.jpg"
    yard.stage(key)

    def change() -> None:
        yard.stage(key, content=b"sent again")

    with stores.s3.fault("GET", f"/{yard.settings.uploads_bucket}", after=change):
        yard.sweep(days=15)
    assert yard.staged() == {key}


def test_due_deletions_are_done_and_those_not_due_are_left(yard: Yard, gallery_id: str) -> None:
    first, second = yard.catalogue.begun(gallery_id), yard.catalogue.begun(gallery_id)
    former, current = yard.save(first, "A"), yard.save(second, "B")
    yard.end(first)
    assert yard.sweep().gone["outbox"].count == 0, "the second one's run is open and will do them"
    assert yard.library() == former | current
    yard.end(second)
    later = left(first, "later-0123abcd.jpg")
    yard.put(later)
    yard.put_in_outbox(second, later, due_in=timedelta(days=30))

    assert gone(yard.sweep(dry_run=True)) == {"outbox": len(former) + 1}
    assert gone(yard.sweep()) == {"outbox": len(former) + 1}, "and the replacement's staged file"
    assert yard.library() == current | {later}
    assert [row.key for row in yard.catalogue.outbox(second) if row.done_at is None] == [later]


@pytest.mark.parametrize("etag", [None, "pinned"])
def test_no_deletion_is_done_where_the_bucket_is_missing(yard: Yard, gallery_id: str, etag: str | None) -> None:
    """As with the settings of another store, or a bucket that somebody has deleted."""
    attempt = yard.ended(gallery_id)
    yard.put_in_outbox(attempt, left(attempt), etag=etag, bucket="no-such-bucket")
    with pytest.raises(MissingBucket, match="no-such-bucket is not there"):
        yard.sweep()
    assert [row.done_at for row in yard.catalogue.outbox(attempt)] == [None]


def test_a_due_deletion_that_a_version_has_taken_up_again_is_left(
    yard: Yard, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back to a former recipe, between the claim and the deletion."""
    attempt = yard.catalogue.begun(gallery_id)
    yard.save(attempt, "A")
    forced = yard.catalogue.begin(gallery_id, attempt.upload_id, force=True)
    yard.save(forced, "A", recipe=OTHER_RECIPE)
    yard.end(forced)
    back: list[set[str]] = []

    def goes_back(session: object, upload_id: str) -> UploadSnapshot | None:
        if not back:
            again = yard.catalogue.begin(gallery_id, attempt.upload_id, force=True)
            back.append(yard.save(again, "A", recipe=RECIPE))
            yard.end(again)
        return lock_snapshot(session, upload_id)  # type: ignore[arg-type]

    monkeypatch.setattr(context, "lock_snapshot", goes_back)
    yard.sweep()
    monkeypatch.undo()
    assert back[0] <= yard.library()
    assert back[0] == yard.catalogue.current_keys(gallery_id)


def test_results_go_after_they_have_expired(yard: Yard) -> None:
    yard.put(f"{RESULTS_PREFIX}abc/def")
    assert gone(yard.sweep(days=2.9)) == {}
    assert gone(yard.sweep(days=3.1)) == {"results": 1}
    assert yard.library() == set()


def test_scratch_folders_of_attempts_that_are_over_go(yard: Yard, gallery_id: str, tmp_path: Path) -> None:
    over = yard.ended(gallery_id)
    running = yard.catalogue.begun(gallery_id)
    newer = yard.catalogue.begin(gallery_id, running.upload_id)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    scratch = yard.settings.scratch_dir
    stale = [
        scratch / over.upload_id / "1",
        scratch / running.upload_id / str(running.number),
        scratch / REBUILD_SCRATCH / "some-run",
    ]
    for folder in stale:
        folder.mkdir(parents=True)
        (folder / "7.source").write_bytes(b"seven")
        (folder / "link").symlink_to(outside, target_is_directory=True)
    in_use = scratch / newer.upload_id / str(newer.number)
    in_use.mkdir()
    (scratch / "link").symlink_to(outside, target_is_directory=True)

    assert gone(yard.sweep(days=2)) == {}
    findings = yard.sweep(days=4)
    assert gone(findings) == {"scratch": 3}
    assert set(findings.gone["scratch"].first) == {str(folder) for folder in stale}
    assert findings.unknown.first == [str(scratch / "link")]
    assert in_use.is_dir()
    assert (outside / "precious").read_bytes() == b"x"
    assert not any(folder.exists() for folder in stale)
    assert not (scratch / over.upload_id).exists()


def test_what_cannot_be_deleted_is_counted_and_the_rest_is_done(yard: Yard, stores: Servers, gallery_id: str) -> None:
    leftover = left(yard.ended(gallery_id))
    yard.put(leftover)
    yard.stage(f"{gallery_id}/nobody/a.jpg")
    with stores.s3.fault("POST", f"/{yard.settings.library_bucket}", status=403):
        findings = yard.sweep(days=15)
    assert gone(findings) == {"staged": 1}
    assert not findings.is_whole
    assert findings.message == (
        "deleted 1 object, 0.0 MB: 1 staged; 1 could not be deleted; in the way: deletion_refused (AccessDenied)"
    )
    assert findings.kept.first == [leftover]
    assert gone(yard.sweep(days=15)) == {"unreferenced": 1}


def test_the_report_names_the_first_and_counts_them_all(yard: Yard, gallery_id: str) -> None:
    attempt = yard.ended(gallery_id)
    yard.put(*(left(attempt, number=number) for number in range(1, 26)))
    findings = yard.sweep(dry_run=True)
    report = findings.to_markdown()
    assert "| unreferenced: objects of the library that no version refers to | 25 | 0.0 MB |" in report
    assert report.count(f"    {prefix_of(attempt)}") == 20
    assert findings.counts()["unreferenced"] == 25


SENT = st.tuples(
    st.sampled_from(["one", "two"]),
    st.sampled_from("AB"),
    st.sampled_from([RECIPE, OTHER_RECIPE]),
    st.sampled_from(["completed", "failed", "crashed", "running"]),
    st.booleans(),
    st.sampled_from([0, 30]),
)


@given(sent=st.lists(SENT, min_size=1, max_size=5), days=st.sampled_from([1, 4, 40]))
@examples(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_never_a_key_that_is_needed_and_everything_else(
    yard: Yard, sent: list[tuple[str, str, str, str, bool, int]], days: int
) -> None:
    """Any uploads, saved or not, replaced or not, ended or not: the library then holds what is needed, and no more."""
    needed: set[str] = set()
    others: set[str] = yard.library()
    names = {name: f"{name}-{time.monotonic_ns()}" for name in ("one", "two")}
    for name, content, recipe, state, saves, keep_days in sent:
        attempt = yard.catalogue.begun(names[name])
        yard.put(left(attempt, f"left-{RECIPE}.jpg"))
        if saves:
            yard.save(attempt, content, recipe=recipe, keep_days=keep_days)
        if state == "running":
            needed |= {key for key in yard.library() if key.startswith(prefix_of(attempt))}
        else:
            yard.end(attempt, state)  # type: ignore[arg-type]
    before = yard.library()
    for name in {name for name, *_ in sent}:
        if yard.catalogue.versions(names[name]):
            needed |= yard.catalogue.current_keys(names[name])
    with transaction(yard.catalogue.engine) as session:
        waiting = set(session.scalars(select(OutboxRow.key).where(OutboxRow.done_at.is_(None))))
    yard.sweep(days=days)
    after = yard.library()
    assert needed <= after
    assert before - after <= before - needed
    if days > 3:
        assert after - others <= needed | waiting


def test_a_database_that_is_away_is_among_the_findings(yard: Yard) -> None:
    nowhere = SecretStr("postgresql://gallery:secret@127.0.0.1:9/catalogue")
    findings = sweep(yard.settings.model_copy(update={"database_url": nowhere}), dry_run=True)
    assert findings.state == "failed"
    assert set(findings.troubles) == {"database_unavailable"}
