"""What a rebuild does to images and objects, and what it leaves alone, on a real catalogue and real buckets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from gallery.api.restore import restore_version
from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_snapshot, lock_version
from gallery.catalogue.outdated import OutdatedVersion
from gallery.catalogue.restoring import KeptVersion, list_versions
from gallery.errors import NotFoundError, RejectedImage, StagedFileError, StaleUpkeep, TransientError
from gallery.models import Deletion
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, processors
from tests.conftest import Servers
from tests.journeys import photo
from tests.rebuild.conftest import Library

A, B = photo(1), photo(2)


def test_all_renditions_are_made_anew_and_the_original_and_its_place_in_order_stay(
    library: Library, gallery_id: str
) -> None:
    files = {f"{number}.jpg": photo(number) for number in range(3)}
    library.send(gallery_id, files)
    before = library.catalogue.image(gallery_id, "0.jpg"), library.catalogue.current(gallery_id, "0.jpg")
    originals = {key for key in library.stored(gallery_id) if "/original" in key}

    changed = library.with_styles(large=300, tiny=30)
    assert changed.count(gallery_id) == (3, 0)
    assert [one.file_name for one in changed.rebuild(gallery_id)] == ["0.jpg", "1.jpg", "2.jpg"]
    for name, content in files.items():
        assert changed.sizes(gallery_id, name) == {"large": 300, "tiny": 30}
        assert changed.read(changed.catalogue.current(gallery_id, name).original_key) == content
    # Deleted: all former renditions, and nothing else.
    assert library.stored(gallery_id) == library.needed(gallery_id)
    assert {key for key in library.stored(gallery_id) if "/original" in key} == originals
    assert library.due(gallery_id) == []

    image, version = library.catalogue.image(gallery_id, "0.jpg"), library.catalogue.current(gallery_id, "0.jpg")
    assert image.last_seq == before[0].last_seq
    for name in ("upload_id", "entry_number", "sha256", "etag", "size", "original_key", "meta", "width", "height"):
        assert getattr(version, name) == getattr(before[1], name), name
    former = next(one for one in library.catalogue.versions(gallery_id) if one.version_id == before[1].version_id)
    assert former.superseded_at is not None

    # Again, there is nothing to do: neither for a rebuild nor for the same gallery.
    assert changed.count(gallery_id) == (0, 0)
    assert set(changed.send(gallery_id, files).values()) == {"unchanged"}


def test_all_galleries_are_gone_through_in_order_by_windows(library: Library, gallery_id: str) -> None:
    galleries = [f"{gallery_id}-{number}" for number in range(3)]
    for one in galleries:
        library.send(one, {"b.jpg": B, "a.jpg": A})
    changed = library.with_styles(large=100)
    expected = [(one, name) for one in galleries for name in ("a.jpg", "b.jpg")]
    with changed.open(None) as rebuild:
        seen: list[OutdatedVersion] = []
        # Also where nothing of it can be rebuilt, each window goes on behind the last.
        while window := steps.next_window(rebuild, seen[-1] if seen else None):
            assert len(window) <= rebuild.settings.window < len(expected)
            assert not set(window) & set(seen)
            seen += window
    assert [(one.gallery_id, one.file_name) for one in seen if one.gallery_id in galleries] == expected
    done = [(one.gallery_id, one.file_name) for one in changed.rebuild(None) if one.gallery_id in galleries]
    assert done == expected
    assert changed.rebuild(None) == []


def test_a_rebuild_that_was_stopped_goes_on_where_it_ended(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A, "b.jpg": B})
    changed = library.with_styles(large=100)
    with changed.open(gallery_id) as rebuild:
        first, _ = steps.next_window(rebuild, None)
        # Stopped before it has deleted what is superfluous now.
        steps.rebuild_image(rebuild, first)
    assert len(library.due(gallery_id)) == 2
    assert [one.file_name for one in changed.rebuild(gallery_id)] == ["b.jpg"]
    assert [row.entry_number for row in library.due(gallery_id)] == [1, 1]
    # The upload's next attempt deletes that, as it does all that is due of the upload; so does the sweep.
    changed.send(gallery_id, {"a.jpg": A, "b.jpg": B}, upload_id=first.upload_id)
    assert library.due(gallery_id) == []
    assert library.stored(gallery_id) == library.needed(gallery_id)


def test_a_rebuild_whose_retry_has_begun_stops_at_its_next_window(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A, "b.jpg": B})
    changed = library.with_styles(large=100).with_settings(window=1)
    with changed.open(gallery_id) as frozen:
        (first,) = steps.next_window(frozen, None)
        changed.begin(frozen.upkeep.flow_run_id)
        # What it has begun harms nobody.
        steps.rebuild_image(frozen, first)
        with pytest.raises(StaleUpkeep):
            steps.next_window(frozen, first)
    assert [one.file_name for one in changed.rebuild(gallery_id)] == ["b.jpg"]


@pytest.mark.parametrize("moment", ["before its download", "while it is rendered"])
def test_an_upload_that_commits_meanwhile_wins(
    library: Library, gallery_id: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.send(gallery_id, {"a.jpg": A})
    changed = library.with_styles(large=100)

    def interfere(rebuild: Rebuild, _outdated: OutdatedVersion) -> None:
        if moment == "before its download":
            changed.send(gallery_id, {"a.jpg": B})
            return
        render = rebuild.decoders.render

        def later(source, out):  # type: ignore[no-untyped-def]
            rendered = render(source, out)
            changed.send(gallery_id, {"a.jpg": B})
            return rendered

        monkeypatch.setattr(rebuild.decoders, "render", later)

    assert changed.rebuild_one(gallery_id, interfere).outcome == "superseded"
    version = library.catalogue.current(gallery_id)
    assert changed.read(version.original_key) == B
    assert library.stored(gallery_id) == library.needed(gallery_id), "it has left nothing behind"
    assert library.due(gallery_id) == []


def test_a_later_upload_replaces_a_rebuilt_image_with_all_that_belongs_to_it(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    changed = library.with_styles(large=100)
    changed.rebuild(gallery_id)
    assert changed.send(gallery_id, {"a.jpg": B}) == {"a.jpg": "replaced"}
    assert library.stored(gallery_id) == library.needed(gallery_id)
    assert changed.read(library.catalogue.current(gallery_id).original_key) == B


def test_a_rebuilt_image_is_deleted_with_all_that_belongs_to_it(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A, "b.jpg": B})
    library.with_styles(large=100).rebuild(gallery_id)
    library.delete_image(gallery_id)
    assert library.stored(gallery_id) == library.needed(gallery_id)
    assert {name for name in ("a.jpg", "b.jpg") if library.catalogue.image(gallery_id, name).current_version_id} == {
        "b.jpg"
    }


def test_a_forced_repeat_after_a_rebuild_leaves_nothing_behind(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    changed = library.with_styles(large=100)
    changed.rebuild(gallery_id)
    upload_id = library.catalogue.current(gallery_id).upload_id
    assert changed.send(gallery_id, {"a.jpg": A}, upload_id=upload_id) == {"a.jpg": "saved"}
    assert library.stored(gallery_id) == library.needed(gallery_id)


def test_former_renditions_are_kept_as_long_as_replaced_versions_are(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    former = set(library.renditions(gallery_id).values())
    library.with_styles(large=100).with_settings(keep_replaced_days=7).rebuild(gallery_id)
    assert library.stored(gallery_id) == library.needed(gallery_id) | former
    rows = library.due(gallery_id)
    assert {row.key for row in rows} == former
    for row in rows:
        assert timedelta(days=6, hours=23) < row.due_at - datetime.now(UTC) <= timedelta(days=7)


def test_one_style_is_made_anew_and_the_others_are_taken_over(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before = library.renditions(gallery_id)
    changed = library.with_styles(large=300, thumb=50)

    assert len(changed.rebuild(gallery_id, "thumb")) == 1
    assert changed.sizes(gallery_id) == {"large": 200, "thumb": 50}
    assert changed.renditions(gallery_id)["large"] == before["large"]
    assert before["thumb"] not in library.stored(gallery_id)
    assert library.stored(gallery_id) == library.needed(gallery_id)
    # Done for this style; not for the recipe, and not for the former one either.
    assert (changed.count(gallery_id, "thumb"), changed.count(gallery_id)) == ((0, 0), (1, 0))
    assert library.count(gallery_id) == (1, 0)

    # With its last style, it is as if all had been made at once.
    assert len(changed.rebuild(gallery_id, "large")) == 1
    assert changed.count(gallery_id) == (0, 0)
    assert changed.send(gallery_id, {"a.jpg": A}) == {"a.jpg": "unchanged"}


def test_a_style_that_is_new_is_added(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    changed = library.with_styles(large=200, thumb=60, tiny=20)
    changed.rebuild(gallery_id, "tiny")
    assert changed.sizes(gallery_id) == {"large": 200, "thumb": 60, "tiny": 20}
    assert library.stored(gallery_id) == library.needed(gallery_id)


def test_a_gallery_or_style_that_is_not_known_is_refused_by_name(library: Library) -> None:
    with pytest.raises(NotFoundError, match="gallery 'nowhere' is not known"), library.open("nowhere"):
        pass
    with pytest.raises(NotFoundError, match=r"style 'huge' .* are: large, thumb"), library.open(None, "huge"):
        pass


def test_an_original_that_is_rejected_now_keeps_the_version_it_has(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before = library.renditions(gallery_id)
    with pytest.raises(RejectedImage) as rejected:
        library.with_styles(large=100).with_settings(max_pixels=1000).rebuild_one(gallery_id)
    assert rejected.value.reason == "too_many_pixels"
    assert library.renditions(gallery_id) == before
    assert library.stored(gallery_id) == library.needed(gallery_id)


@pytest.mark.parametrize("trouble", ["missing_object", "changed_during_ingest"])
def test_an_original_that_is_not_what_was_saved_is_not_shown(library: Library, gallery_id: str, trouble: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before, key = library.renditions(gallery_id), library.catalogue.current(gallery_id).original_key
    if trouble == "missing_object":
        library.storage.delete([Deletion(None, library.storage.library_bucket, key)])
    else:
        library.storage.write_bytes(key, B)
    with pytest.raises(StagedFileError) as failed:
        library.with_styles(large=100).rebuild_one(gallery_id)
    assert failed.value.reason == trouble
    assert library.renditions(gallery_id) == before


def test_what_storage_has_interrupted_shows_the_old_and_is_made_good_by_the_next_try(
    library: Library, stores: Servers, gallery_id: str
) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before = library.renditions(gallery_id)
    changed = library.with_styles(large=100, thumb=30)
    with (
        stores.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1/[0-9]+/thumb", status=503),
        pytest.raises(TransientError, match="SlowDown"),
    ):
        changed.rebuild_one(gallery_id)
    assert library.renditions(gallery_id) == before
    assert set(before.values()) < library.stored(gallery_id)
    left = library.stored(gallery_id) - library.needed(gallery_id)
    assert changed.rebuild_one(gallery_id).outcome == "rebuilt"
    # What it had put there is the sweep's.
    assert library.stored(gallery_id) == library.needed(gallery_id) | left


def test_what_an_upload_with_an_open_run_has_saved_is_left_alone_and_counted(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before, stored = library.renditions(gallery_id), library.stored(gallery_id)
    changed = library.with_styles(large=100)

    def begin(_rebuild: Rebuild, outdated: OutdatedVersion) -> None:
        library.catalogue.begin(gallery_id, outdated.upload_id)

    assert changed.rebuild_one(gallery_id, begin).outcome == "busy"
    assert (library.renditions(gallery_id), library.stored(gallery_id)) == (before, stored)
    assert changed.count(gallery_id) == (0, 1)
    assert changed.rebuild(gallery_id) == []


def test_while_an_image_is_committed_neither_sweep_nor_attempt_nor_upload_comes_between(
    library: Library, gallery_id: str
) -> None:
    library.send(gallery_id, {"a.jpg": A})
    upload_id = library.catalogue.current(gallery_id).upload_id
    changed = library.with_styles(large=100)
    with changed.open(gallery_id) as rebuild, transaction(rebuild.engine) as ours:
        (outdated,) = steps.next_window(rebuild, None)
        assert lock_version(ours, outdated.upload_id, outdated.image_id, outdated.version_id) == "current"
        for disturb in (
            lambda session: lock_snapshot(session, upload_id),
            lambda session: begin_attempt(session, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=uuid4()),
            lambda session: session.execute(
                text("SELECT 1 FROM gallery.images WHERE image_id = :id FOR UPDATE"), {"id": outdated.image_id}
            ),
        ):
            with pytest.raises(TransientError, match="lock timeout"), transaction(library.engine) as theirs:
                theirs.execute(text("SET LOCAL lock_timeout = '50ms'"))
                disturb(theirs)


def test_a_return_to_the_former_recipe_takes_up_nothing_that_is_due_to_go(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    before = library.renditions(gallery_id)
    with library.with_styles(large=100).open(gallery_id) as rebuild:
        (outdated,) = steps.next_window(rebuild, None)
        receipt = steps.rebuild_image(rebuild, outdated)
        assert {deletion.key for deletion in receipt.deletions} == set(before.values())
        # Before these are deleted, the styles are as they were.
        library.rebuild(gallery_id)
        assert steps.clean_up(rebuild, [receipt]) == 2
    assert set(library.renditions(gallery_id).values()).isdisjoint(before.values())
    assert library.needed(gallery_id) == library.stored(gallery_id)


def test_former_renditions_of_an_upload_whose_run_has_begun_are_left_to_that(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    with library.with_styles(large=100).open(gallery_id) as rebuild:
        (outdated,) = steps.next_window(rebuild, None)
        receipt = steps.rebuild_image(rebuild, outdated)
        library.catalogue.begin(gallery_id, outdated.upload_id)
        assert steps.clean_up(rebuild, [receipt]) == 0
    assert {row.key for row in library.due(gallery_id)} == {deletion.key for deletion in receipt.deletions}
    assert {deletion.key for deletion in receipt.deletions} < library.stored(gallery_id)


@pytest.mark.parametrize(("all_of_them", "half"), [(1, 1), (2, 1), (8, 4)])
def test_new_uploads_have_the_greater_share_of_the_processors(library: Library, all_of_them: int, half: int) -> None:
    assert processors(library.with_settings(processors=all_of_them).settings) == half


def test_what_a_rebuild_has_replaced_comes_back_while_it_is_kept(library: Library, gallery_id: str) -> None:
    library.send(gallery_id, {"a.jpg": A})
    changed = library.with_styles(large=100).with_settings(keep_replaced_days=7)
    changed.rebuild(gallery_id)
    image_id = library.catalogue.image(gallery_id).image_id

    def versions() -> list[KeptVersion]:
        with transaction(library.engine) as session:
            return list_versions(session, gallery_id, image_id)

    new, old = versions()
    assert (new.is_current, old.is_current, old.is_whole) == (True, False, True)
    assert new.version.original_key == old.version.original_key
    services: Any = SimpleNamespace(
        transaction=partial(transaction, library.engine), storage=library.storage, settings=changed.settings
    )
    restore_version(services, gallery_id, image_id, old.version.version_id, expect=None)
    current = library.catalogue.current(gallery_id)
    assert (current.sha256, current.recipe_id) == (old.version.sha256, old.version.recipe_id)
    stored = library.stored(gallery_id)
    assert library.catalogue.current_keys(gallery_id) <= stored
    # Both of before can come back, too: nothing of theirs goes within a week.
    assert [kept.is_whole for kept in versions()] == [True] * 3
    assert min(row.due_at for row in library.due(gallery_id)) > datetime.now(UTC) + timedelta(days=6)
    # It is outdated again.
    assert [one.file_name for one in changed.rebuild(gallery_id)] == ["a.jpg"]
