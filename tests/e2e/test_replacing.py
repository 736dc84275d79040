"""The life of an image through several uploads: saved, unchanged, replaced; what is deleted, and what never."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from gallery.catalogue.connect import transaction
from gallery.runs import INGEST_QUEUE
from tests.conftest import PROJECT
from tests.journeys import Journeys, photo

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_a_gallery_is_saved_then_unchanged_then_one_image_replaced(journeys: Journeys, gallery_id: str) -> None:
    first = {f"card{n % 2}/IMG_{n:04}.JPG": photo(n) for n in range(5)}
    saved = journeys.send(gallery_id, first)
    assert (saved.state, saved.counts["saved"]) == ("completed", 5)
    before = journeys.current(gallery_id)
    assert {name: version.sha256 for name, version in before.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in first.items()
    }
    kept = frozenset().union(*(version.keys for version in before.values()))
    # The article's rule: after a first upload nothing is deleted.
    assert journeys.library(gallery_id) == kept
    assert len(journeys.staged(gallery_id)) == 5
    assert journeys.due(gallery_id) == []
    assert journeys.task_runs(saved.flow_run_id, 15) == {
        ("download", "Completed"): 5,
        ("process", "Completed"): 5,
        ("save", "Completed"): 5,
    }

    again = journeys.send(gallery_id, first)
    assert (again.state, again.counts["unchanged"]) == ("completed", 5)
    assert journeys.task_runs(again.flow_run_id, 0) == {}
    assert journeys.current(gallery_id) == before
    assert journeys.library(gallery_id) == kept

    name = "card1/IMG_0003.JPG"
    changed = journeys.send(gallery_id, {**first, name: photo(99)})
    assert (changed.counts["replaced"], changed.counts["unchanged"]) == (1, 4)
    assert journeys.task_runs(changed.flow_run_id, 4) == {
        ("download", "Completed"): 1,
        ("process", "Completed"): 1,
        ("save", "Completed"): 1,
        ("cleanup", "Completed"): 1,
    }
    rows = {row["file_name"]: row for row in journeys.history("image_history", changed.upload_id, "1")}
    assert [row["outcome"] for file, row in rows.items() if file != name] == ["unchanged"] * 4
    assert (rows[name]["outcome"], rows[name]["retries"]) == ("replaced", 0)
    assert rows[name]["cleanup_seconds"] > 0
    after = journeys.current(gallery_id)
    assert after[name].upload_id == changed.upload_id
    assert journeys.library(gallery_id) == kept - before[name].keys | after[name].keys
    assert f"{gallery_id}/{changed.upload_id}/{name}" not in journeys.staged(gallery_id)
    assert f"{gallery_id}/{saved.upload_id}/{name}" in journeys.staged(gallery_id)
    assert journeys.due(gallery_id) == []


def test_content_a_then_b_then_a_again_ends_with_a(journeys: Journeys, gallery_id: str) -> None:
    a, b = photo(1), photo(2)
    outcomes = []
    for content in (a, b, a):
        result = journeys.send(gallery_id, {"IMG_1.JPG": content})
        outcomes.append({name for name, number in result.counts.items() if number})
    assert outcomes == [{"saved"}, {"replaced"}, {"replaced"}]
    version = journeys.current(gallery_id)["IMG_1.JPG"]
    assert version.sha256 == hashlib.sha256(a).hexdigest()
    assert journeys.library(gallery_id) == version.keys
    assert set(version.styles) == {"large", "medium", "thumb"}
    for key, _, _ in version.styles.values():
        assert journeys.looks_like(key, a)
        assert not journeys.looks_like(key, b)
    original = next(key for key in version.keys if "/original" in key)
    assert journeys.read(original) == a


def test_the_same_content_in_a_new_etag_is_unchanged_after_the_download(journeys: Journeys, gallery_id: str) -> None:
    """Multipart uploads and KMS give equal content another ETag; SHA-256 decides, before processing."""
    content = photo(5)
    journeys.send(gallery_id, {"IMG_1.JPG": content})
    with transaction(journeys.engine) as session:
        session.execute(
            text(
                "UPDATE gallery.versions v SET etag = 'multipart-2' FROM gallery.images i "
                "WHERE i.current_version_id = v.version_id AND i.gallery_id = :gallery"
            ),
            {"gallery": gallery_id},
        )
    again = journeys.send(gallery_id, {"IMG_1.JPG": content})
    assert again.counts["unchanged"] == 1
    assert journeys.task_runs(again.flow_run_id, 1) == {("download", "Completed"): 1}


def test_real_photographs_come_out_in_all_styles(journeys: Journeys, gallery_id: str) -> None:
    folder = PROJECT / "tests" / "photos"
    names = sorted(path.name for path in folder.glob("*.jpg"))
    result = journeys.send(gallery_id, {name: (folder / name).read_bytes() for name in names})
    assert result.counts["saved"] == len(names) >= 3
    for name, version in journeys.current(gallery_id).items():
        assert journeys.looks_like(version.styles["thumb"][0], (folder / name).read_bytes()), name
        sides = {style: max(width, height) for style, (_, width, height) in version.styles.items()}
        assert sides == {"large": 2048, "medium": 1024, "thumb": 320}


def test_a_forced_run_redoes_everything_and_its_retry_only_what_is_left(journeys: Journeys, gallery_id: str) -> None:
    first = journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3)})
    before = journeys.current(gallery_id)
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/2/[0-9]+/thumb", status=503):
        run = journeys.run_deployment(gallery_id=gallery_id, force=True)
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"].endswith("1 could not be redone and stay as they were: storage_unavailable")
    assert run["name"] == f"{gallery_id} · 3 images"

    run = journeys.retry(run["id"])
    # What became of the upload's files stays: only the attempts' own rows say that they were replaced.
    assert run["state"]["message"] == "3 of 3 saved"
    done = journeys.history("image_history", first.upload_id, "attempt, file_name")
    assert [(row["attempt"], row["file_name"], row["outcome"]) for row in done] == [
        (1, "a.jpg", "saved"), (1, "b.jpg", "saved"), (1, "c.jpg", "saved"),
        (2, "a.jpg", "replaced"), (2, "b.jpg", "failed"), (2, "c.jpg", "replaced"),
        (3, "b.jpg", "replaced"),
    ]  # fmt: skip
    after = journeys.current(gallery_id)
    assert after["b.jpg"].keys.isdisjoint(before["b.jpg"].keys)
    assert not journeys.library(gallery_id) & frozenset().union(*(version.keys for version in before.values()))
    assert journeys.upload(first.upload_id).attempt == 3


def test_a_forced_run_works_from_the_library_as_often_as_one_likes(journeys: Journeys, gallery_id: str) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2)}
    journeys.send(gallery_id, {"b.jpg": photo(3)})
    sent = journeys.send(gallery_id, files)
    journeys.forget_staged(gallery_id)
    seen: set[str] = set()
    for attempt in (2, 3, 4):
        run = journeys.run_deployment(gallery_id=gallery_id, upload_id=sent.upload_id, force=True)
        assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", "1 of 2 saved, 1 replaced")
        versions = journeys.current(gallery_id)
        keys = frozenset().union(*(version.keys for version in versions.values()))
        assert keys == journeys.library(gallery_id)
        assert keys.isdisjoint(seen)
        seen |= keys
        for name, content in files.items():
            assert versions[name].sha256 == hashlib.sha256(content).hexdigest()
            assert journeys.read(next(key for key in versions[name].keys if "/original" in key)) == content
        rows = journeys.history("image_history", sent.upload_id, "attempt, file_name")
        assert [row["outcome"] for row in rows if row["attempt"] == attempt] == ["replaced", "replaced"]
    assert {name: outcome for name, (outcome, _) in journeys.outcomes(sent.upload_id).items()} == {
        "a.jpg": "saved",
        "b.jpg": "replaced",
    }
    assert journeys.upload(sent.upload_id).state == "completed"


def test_a_forced_run_whose_original_a_later_upload_removes_meanwhile_is_superseded(
    journeys: Journeys, gallery_id: str
) -> None:
    sent = journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2)})
    journeys.forget_staged(gallery_id)
    replaced: list[bool] = []

    def replace_both() -> None:
        if not replaced:
            replaced.append(True)
            assert journeys.send(gallery_id, {"a.jpg": photo(3), "b.jpg": photo(4)}).counts["replaced"] == 2

    with (
        journeys.queue_limit(INGEST_QUEUE, 2),
        journeys.servers.s3.fault("GET", rf"/{sent.upload_id}/[12]/[0-9]+/original", before=replace_both),
    ):
        run = journeys.run_deployment(gallery_id=gallery_id, upload_id=sent.upload_id, force=True)
    assert run["state"]["type"] == "COMPLETED"
    rows = journeys.history("image_history", sent.upload_id, "attempt, file_name")
    assert [row["outcome"] for row in rows if row["attempt"] == 2] == ["superseded", "superseded"]
    assert {outcome for outcome, _ in journeys.outcomes(sent.upload_id).values()} == {"saved"}
    assert {version.sha256 for version in journeys.current(gallery_id).values()} == {
        hashlib.sha256(photo(number)).hexdigest() for number in (3, 4)
    }


def test_names_that_storage_and_signatures_find_hard_come_through(journeys: Journeys, gallery_id: str) -> None:
    names = [
        "with space.jpg", "plus+plus.jpg", "100%.jpg", "%41.jpg", "hash#1.jpg", "q?x=1&y.jpg", "quote'\".jpg",
        "ümläut.jpg", "日本/写真.jpg", "emoji🎉.jpg", "a=b;c,d.jpg", "<tag>&amp;.jpg", "~^`|{}[].jpg", "$dollar.jpg",
        "x" * 251 + ".jpg", "UPPER.JPG", "upper.jpg", " leading.jpg", "no_extension",
    ]  # fmt: skip
    result = journeys.send(gallery_id, {name: photo(number) for number, name in enumerate(names)})
    assert result.counts["saved"] == len(names)
    versions = journeys.current(gallery_id)
    assert set(versions) == set(names)
    for number, name in enumerate(names):
        assert journeys.looks_like(versions[name].styles["thumb"][0], photo(number)), name
