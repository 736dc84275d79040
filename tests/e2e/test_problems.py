"""What goes wrong, at whose fault, and what a retry then works on."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from sqlalchemy import text

from gallery.catalogue.connect import transaction
from gallery.models import Deletion, ObjectKey
from tests.journeys import Journeys, photo

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_bad_files_are_rejected_with_reasons_and_hold_up_nothing(journeys: Journeys, gallery_id: str) -> None:
    files = {
        "good_1.jpg": photo(1),
        "letter.jpg": b"Dear photographer, this is a text.",
        "cut.jpg": photo(2)[:9000],
        "empty.jpg": b"",
        "good_2.jpg": photo(3),
    }
    result = journeys.send(gallery_id, files)
    assert journeys.outcomes(result.upload_id) == {
        "good_1.jpg": ("saved", None),
        "letter.jpg": ("rejected", "not_an_image"),
        "cut.jpg": ("rejected", "truncated"),
        "empty.jpg": ("rejected", "not_an_image"),
        "good_2.jpg": ("saved", None),
    }
    assert result.state == "completed_with_rejects"
    run = journeys.ended(result.flow_run_id)
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "Completed with rejects")
    assert run["state"]["message"] == "2 of 5 saved, 3 rejected"

    # The server accepts a retry, and it finds nothing that these limits would judge otherwise.
    before = journeys.task_runs(result.flow_run_id, 12)
    run = journeys.retry(result.flow_run_id)
    assert run["state"]["name"] == "Completed with rejects"
    assert run["state"]["message"] == "Nothing to do: 2 of 5 saved, 3 rejected"
    assert journeys.task_runs(result.flow_run_id, 12) == before
    assert set(journeys.current(gallery_id)) == {"good_1.jpg", "good_2.jpg"}


def test_a_refused_upload_fails_alone_and_a_retry_works_on_it_alone(journeys: Journeys, gallery_id: str) -> None:
    first = {f"IMG_{n}.jpg": photo(n) for n in range(4)}
    journeys.send(gallery_id, first)
    before = journeys.current(gallery_id)

    second = {name: photo(n + 50) for n, name in enumerate(first)}
    # The entries are numbered in the order of the folder; the third is IMG_2.jpg.
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/3/[0-9]+/medium", status=503) as refused:
        result = journeys.send(gallery_id, second)
    # Three tries of the stage, each with what boto3 itself repeats.
    assert refused.seen >= 3
    run = journeys.ended(result.flow_run_id)
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"] == "3 of 4 replaced, 1 failed: storage_unavailable"
    assert journeys.outcomes(result.upload_id)["IMG_2.jpg"] == ("failed", "storage_unavailable")
    assert result.problems[0].stage == "process"
    # Of the task runs, the log tells the cause once, and nothing else; of the image, what became of it.
    (cause,) = journeys.log(run["id"], of_tasks=True)
    assert "Retry 1/2 will start" in cause
    log = journeys.log(run["id"])
    (told,) = (line for line in log if line.startswith("IMG_"))
    assert told.startswith("IMG_2.jpg: failed in process, storage_unavailable: ")
    assert not any("Traceback" in line for line in log)
    # Its former version is untouched, and its staged file is there for the retry.
    assert journeys.current(gallery_id)["IMG_2.jpg"] == before["IMG_2.jpg"]
    assert before["IMG_2.jpg"].keys <= journeys.library(gallery_id)
    assert f"{gallery_id}/{result.upload_id}/IMG_2.jpg" in journeys.staged(gallery_id)
    task_runs = journeys.task_runs(result.flow_run_id, 4 + 4 + 3 + 3)

    run = journeys.retry(result.flow_run_id)
    assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", "4 of 4 replaced")
    new = journeys.task_runs(result.flow_run_id, 4 + 4 + 3 + 3 + 4) - task_runs
    assert new == {(stage, "Completed"): 1 for stage in ("download", "process", "save", "cleanup")}
    after = journeys.current(gallery_id)
    assert {version.upload_id for version in after.values()} == {result.upload_id}
    # What the refused upload had put there before is left to the sweep.
    assert journeys.library(gallery_id) >= frozenset().union(*(version.keys for version in after.values()))
    assert journeys.upload(result.upload_id).attempt == 2


def test_a_disk_that_fails_is_named_and_a_retry_does_the_rest(journeys: Journeys, gallery_id: str) -> None:
    files = {f"IMG_{n}.jpg": photo(n) for n in range(3)}

    def take_away() -> None:
        upload_id = journeys.upload_of(gallery_id).upload_id
        shutil.rmtree(journeys.servers.home / "scratch" / upload_id, ignore_errors=True)

    with journeys.servers.s3.fault("GET", rf"/{gallery_id}/", before=take_away):
        result = journeys.send(gallery_id, files)
    assert journeys.outcomes(result.upload_id) == dict.fromkeys(files, ("failed", "scratch_unavailable"))
    assert all("No such file or directory" in str(problem.message) for problem in result.problems)
    assert not any("Traceback" in line for line in journeys.log(result.flow_run_id))
    assert journeys.retry(result.flow_run_id)["state"]["message"] == "3 of 3 saved"


def test_a_save_that_fails_before_its_commit_leaves_the_former_version_and_is_done_from_the_cache(
    journeys: Journeys, gallery_id: str
) -> None:
    journeys.send(gallery_id, {"IMG.jpg": photo(1)})
    before = journeys.current(gallery_id)["IMG.jpg"]
    with refusing_versions(journeys, gallery_id):
        result = journeys.send(gallery_id, {"IMG.jpg": photo(2)})
    assert journeys.outcomes(result.upload_id) == {"IMG.jpg": ("failed", "database_unavailable")}
    assert journeys.current(gallery_id)["IMG.jpg"] == before
    written = journeys.library(gallery_id) - before.keys
    assert len(written) == 4, "the objects were written before the commit failed"
    assert journeys.due(gallery_id) == []

    run = journeys.retry(result.flow_run_id)
    assert run["state"]["message"] == "1 of 1 replaced"
    assert journeys.task_runs(result.flow_run_id, 7)["process", "Cached"] == 1
    after = journeys.current(gallery_id)["IMG.jpg"]
    # The renditions are those of the failed attempt. Its copy of the original is left to the sweep.
    left = written - after.keys
    assert [key.endswith("/original.jpg") for key in left] == [True]
    assert journeys.library(gallery_id) == after.keys | left


class refusing_versions:  # noqa: N801 - reads as a statement
    """While the block runs, the database refuses new versions of one gallery as if it had no memory left."""

    def __init__(self, journeys: Journeys, gallery_id: str) -> None:
        self._engine, self._name = journeys.engine, "refuse_" + gallery_id.replace("-", "_")
        self._gallery_id = gallery_id

    def __enter__(self) -> None:
        with transaction(self._engine) as session:
            session.execute(
                text(
                    f"CREATE FUNCTION gallery.{self._name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    f"IF NEW.original_key LIKE '{self._gallery_id}/%' THEN "
                    "RAISE EXCEPTION 'injected' USING ERRCODE = '53200'; END IF; RETURN NEW; END $$"
                )
            )
            session.execute(
                text(
                    f"CREATE TRIGGER {self._name} BEFORE INSERT ON gallery.versions "
                    f"FOR EACH ROW EXECUTE FUNCTION gallery.{self._name}()"
                )
            )

    def __exit__(self, *_: object) -> None:
        with transaction(self._engine) as session:
            session.execute(text(f"DROP FUNCTION gallery.{self._name}() CASCADE"))


def test_a_staged_file_overwritten_after_its_download_is_failed_and_never_saved(
    journeys: Journeys, gallery_id: str
) -> None:
    journeys.send(gallery_id, {"IMG.jpg": photo(1)})
    before = journeys.current(gallery_id)["IMG.jpg"]
    processed, planted = photo(2), photo(3)

    def overwrite() -> None:
        key = next(key for key in journeys.staged(gallery_id) if before.upload_id not in key)
        journeys.overwrite_staged(key, planted)

    # Right before the first rendition is put: downloaded and decoded, not yet saved.
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1/[0-9]+/large", before=overwrite):
        result = journeys.send(gallery_id, {"IMG.jpg": processed})
    assert journeys.outcomes(result.upload_id) == {"IMG.jpg": ("failed", "changed_during_ingest")}
    assert journeys.current(gallery_id)["IMG.jpg"] == before

    # The retry takes what lies there now, whole: the new bytes with their own renditions.
    assert journeys.retry(result.flow_run_id)["state"]["message"] == "1 of 1 replaced"
    after = journeys.current(gallery_id)["IMG.jpg"]
    assert after.sha256 == hashlib.sha256(planted).hexdigest()
    assert journeys.looks_like(after.styles["large"][0], planted)
    # What was rendered of the other bytes is left to the sweep.
    left = journeys.library(gallery_id) - after.keys
    assert sorted(key.rsplit("/", 1)[1].split("-")[0] for key in left) == ["large", "medium", "thumb"]
    assert after.keys <= journeys.library(gallery_id)


def test_a_staged_file_overwritten_between_plan_and_download_is_failed(journeys: Journeys, gallery_id: str) -> None:
    name = "IMG.jpg"

    def overwrite() -> None:
        journeys.overwrite_staged(next(iter(journeys.staged(gallery_id))), photo(3))

    with journeys.servers.s3.fault("GET", rf"/{gallery_id}/[^/]+/{name}", before=overwrite):
        result = journeys.send(gallery_id, {name: photo(2)})
    assert journeys.outcomes(result.upload_id) == {name: ("failed", "changed_during_ingest")}
    assert journeys.current(gallery_id) == {}


def test_a_cached_result_counts_only_while_its_renditions_are_still_there(journeys: Journeys, gallery_id: str) -> None:
    """Content A, B, A under one entry: A's cached result speaks of keys that hold B's renditions by then."""
    a, b = photo(1), photo(2)
    with refusing_versions(journeys, gallery_id):
        result = journeys.send(gallery_id, {"IMG.jpg": a})
        key = next(iter(journeys.staged(gallery_id)))
        journeys.overwrite_staged(key, b)
        journeys.retry(result.flow_run_id)
    journeys.overwrite_staged(key, a)
    journeys.retry(result.flow_run_id)
    version = journeys.current(gallery_id)["IMG.jpg"]
    assert version.sha256 == hashlib.sha256(a).hexdigest()
    for rendition, _, _ in version.styles.values():
        assert journeys.looks_like(rendition, a)


def test_a_missing_object_is_failed_and_its_later_arrival_is_taken_up(journeys: Journeys, gallery_id: str) -> None:
    result = journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2)})
    key = f"{gallery_id}/{result.upload_id}/b.jpg"
    other = journeys.send(gallery_id, {"c.jpg": photo(3)})
    assert other.state == "completed"
    journeys.storage.delete([Deletion(None, journeys.storage.uploads_bucket, ObjectKey(key))])
    # Forced: the library has the file, too.
    run = journeys.run_deployment(gallery_id=gallery_id, upload_id=result.upload_id, force=True)
    assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", "2 of 2 saved")
    original = next(key for key in journeys.current(gallery_id)["b.jpg"].keys if "/original" in key)
    journeys.storage.delete([Deletion(None, journeys.storage.library_bucket, ObjectKey(original))])
    # Neither has it: the entry has an outcome already, which stays, and the run says what it could not redo.
    run = journeys.run_deployment(gallery_id=gallery_id, upload_id=result.upload_id, force=True)
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"] == "2 of 2 saved; 1 could not be redone and stay as they were: missing_object"
    assert journeys.outcomes(result.upload_id)["b.jpg"] == ("saved", None)
    assert journeys.upload(result.upload_id).state == "completed"


def test_cleanup_that_fails_changes_no_outcome_and_the_next_attempt_finishes_it(
    journeys: Journeys, gallery_id: str
) -> None:
    journeys.send(gallery_id, {"IMG.jpg": photo(1)})
    before = journeys.current(gallery_id)["IMG.jpg"]
    with journeys.servers.s3.fault("POST", r"/gallery-library", status=503):
        result = journeys.send(gallery_id, {"IMG.jpg": photo(2)})
    assert (result.state, result.counts["replaced"]) == ("completed", 1)
    due = journeys.due(gallery_id)
    assert {row.key for row in due} >= before.keys
    assert before.keys <= journeys.library(gallery_id)

    run = journeys.retry(result.flow_run_id)
    assert run["state"]["message"] == "Nothing to do: 1 of 1 replaced"
    assert journeys.due(gallery_id) == []
    assert journeys.library(gallery_id) == journeys.current(gallery_id)["IMG.jpg"].keys


def test_an_older_upload_retried_after_a_newer_one_ends_superseded(journeys: Journeys, gallery_id: str) -> None:
    old, new = photo(1), photo(2)
    journeys.send(gallery_id, {"IMG.jpg": new})
    with journeys.servers.s3.fault("GET", rf"/{gallery_id}/[^/]+/IMG.jpg", status=503):
        older = journeys.send(gallery_id, {"IMG.jpg": old})
    assert journeys.outcomes(older.upload_id) == {"IMG.jpg": ("failed", "storage_unavailable")}
    # The newer one changes nothing, and has all the same spoken last.
    newer = journeys.send(gallery_id, {"IMG.jpg": new})
    assert newer.counts["unchanged"] == 1
    before = journeys.current(gallery_id)

    run = journeys.retry(older.flow_run_id)
    assert run["state"]["message"] == "0 of 1 saved, 1 superseded"
    assert run["state"]["type"] == "COMPLETED"
    assert journeys.current(gallery_id) == before
    assert journeys.library(gallery_id) == before["IMG.jpg"].keys


def test_overtaken_while_it_was_being_saved_an_upload_gives_up_its_own_objects(
    journeys: Journeys, gallery_id: str
) -> None:
    """The plan saw no newer upload; the row lock does."""

    def overtake() -> None:
        with transaction(journeys.engine) as session:
            session.execute(
                text("UPDATE gallery.images SET last_seq = last_seq + 1000 WHERE gallery_id = :gallery"),
                {"gallery": gallery_id},
            )

    journeys.send(gallery_id, {"IMG.jpg": photo(1)})
    before = journeys.current(gallery_id)
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1/[0-9]+/original", before=overtake):
        result = journeys.send(gallery_id, {"IMG.jpg": photo(2)})
    assert result.counts["superseded"] == 1
    assert journeys.task_runs(result.flow_run_id, 4)["cleanup", "Completed"] == 1
    assert journeys.current(gallery_id) == before
    assert journeys.library(gallery_id) == before["IMG.jpg"].keys
    # Kept: what was not taken is still the photographer's.
    assert f"{gallery_id}/{result.upload_id}/IMG.jpg" in journeys.staged(gallery_id)


def test_an_unknown_upload_is_a_clear_failure(journeys: Journeys) -> None:
    run = journeys.run_deployment(gallery_id="never-heard-of", upload_id="x")
    assert run["state"]["type"] == "FAILED"
    assert "gallery 'never-heard-of' is not known" in run["state"]["message"]
