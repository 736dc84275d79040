"""A folder compared with its gallery: what is sent, what is not, and what is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gallery.client.api import GalleryClient
from gallery.client.comparing import ComparedPhotograph
from gallery.client.conflicts import Choices
from gallery.client.ingest import compare_folder, ingest_folder
from gallery.client.progress import NoProgress
from gallery.errors import GalleryError, RefusedRequest
from gallery.models import Choice
from tests.client.conftest import Notes, write
from tests.client.fake_api import FakeApi, digest


def expectations(api: FakeApi) -> dict[str, str | None]:
    """What the upload expects under each name."""
    return {file["file_name"]: file.get("expect") for file in api.declared}


def test_a_folder_is_added_and_the_same_folder_again_is_not_sent(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    names = [f"card1/IMG_{number:04d}.JPG" for number in range(40)]
    write(tmp_path, *names)
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert api.arrived == {name: name.encode() for name in names}
    assert (result.ok, result.exit_status, result.state) == (True, 0, "completed")
    assert result.counts["saved"] == result.image_count == 40
    assert result.images_per_second == pytest.approx(40 / result.duration_seconds)
    assert set(expectations(api).values()) == {"absent"}
    assert [file for file in api.compared[0] if "sha256" in file] == [], "an empty gallery wants no hash"

    notes, sent = Notes(), len(api.idempotency_keys)
    again = ingest_folder(client, tmp_path, "g", notes)
    assert len(api.idempotency_keys) == sent, "an upload was opened for nothing"
    assert (again.upload_id, again.flow_run_id, again.state, again.exit_status) == (None, None, "completed", 0)
    assert again.counts["unchanged"] == again.image_count == 40
    (line,) = notes.lines
    assert line.startswith("in the gallery already, 0.0 MB not sent: 40 files: card1/IMG_0000.JPG, ")
    assert line.endswith(" and 35 more")


def test_only_what_meets_the_gallery_in_name_or_size_is_hashed(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    api.images = {"former.jpg": b"former.jpg", "there.jpg": b"elsewhere"}
    write(tmp_path, "former.jpg", "elsewhere", "new and longer.jpg")
    # In batches, as large galleries are.
    api.max_files = 2
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes)
    assert [[(file["file_name"], file.get("sha256")) for file in files] for files in api.compared] == [
        [("elsewhere", None), ("former.jpg", None)],
        [("new and longer.jpg", None)],
        [("elsewhere", digest(b"elsewhere")), ("former.jpg", digest(b"former.jpg"))],
    ]
    assert set(api.arrived) == {"new and longer.jpg"}
    assert (result.counts["saved"], result.counts["unchanged"], result.image_count) == (1, 2, 3)
    assert result.exit_status == 0
    assert notes.lines == [
        "in the gallery already, 0.0 MB not sent: 1 file: former.jpg",
        "made with earlier styles, which a rebuild renews: 1 file: former.jpg",
        "in the gallery under another name, not sent: 1 file: elsewhere as there.jpg",
    ]


def test_what_cannot_be_sent_counts_as_rejected_and_is_the_exit_status(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "clip.MOV", "notes.txt", "back\\slash.jpg", "refused.jpg", "no image.jpg")
    api.no_images = {"no image.jpg"}
    api.faults = [{"refused.jpg": "invalid_file_name"}, {}, {"b.jpg": "file_too_large"}]
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert set(api.arrived) == {"a.jpg", "no image.jpg"}
    assert result.exit_status == 1
    answer = result.to_json()
    assert list(answer) == [
        "gallery_id",
        "upload_id",
        "flow_run_id",
        "flow_run_url",
        "state",
        "image_count",
        "counts",
        "duration_seconds",
        "images_per_second",
        "problems",
        "skipped",
        "notes",
    ]
    assert answer["image_count"] == 7
    assert answer["counts"] == {
        "saved": 1,
        "replaced": 0,
        "unchanged": 0,
        "superseded": 0,
        "rejected": 6,
        "failed": 0,
    }
    assert {problem["file_name"]: (problem["stage"], problem["reason"]) for problem in answer["problems"]} == {
        "back\\slash.jpg": ("download", "invalid_file_name"),
        "clip.MOV": ("download", "unsupported_format"),
        "notes.txt": ("download", "unsupported_format"),
        "refused.jpg": ("download", "invalid_file_name"),
        "b.jpg": ("download", "file_too_large"),
        "no image.jpg": ("process", "not_an_image"),
    }


def test_a_folder_of_which_nothing_can_be_sent_opens_no_upload(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "clip.MOV")
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert (result.upload_id, result.state, result.counts["rejected"]) == (None, "completed", 1)
    assert result.exit_status == 1
    assert (api.compared, api.idempotency_keys) == ([], [])


def test_a_file_that_cannot_be_read_is_left_out_as_failed(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    api.images = {"a.jpg": b"other"}

    class Vanishes(NoProgress):
        def step(self, title: str, total: int, unit: str) -> None:
            (tmp_path / "a.jpg").unlink(missing_ok=True)

    result = ingest_folder(client, tmp_path, "g", Vanishes())
    assert (result.counts["saved"], result.counts["failed"], result.exit_status) == (1, 1, 1)
    (problem,) = result.problems
    assert (problem.file_name, problem.reason) == ("a.jpg", "missing_object")
    assert problem.message == "the file cannot be read: No such file or directory"
    assert api.images["a.jpg"] == b"other"


def a_conflict(api: FakeApi, folder: Path) -> None:
    """One file of each kind: two that would replace others, one that is unknown, one that is there, one new."""
    api.images = {"one.jpg": b"another", "two.jpg": b"one more", "there.jpg": b"there.jpg"}
    api.under_way = {"three.jpg"}
    write(folder, "one.jpg", "two.jpg", "three.jpg", "there.jpg", "new.jpg", "clip.mov")


def test_where_something_would_be_replaced_nothing_is_sent_unasked(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    a_conflict(api, tmp_path)
    before = dict(api.images)
    for result in (
        ingest_folder(client, tmp_path, "g", NoProgress()),
        ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict=lambda photographs: None),
    ):
        assert (result.state, result.upload_id, result.exit_status) == ("not_sent", None, 3)
        assert (result.image_count, result.counts["unchanged"], result.counts["rejected"]) == (6, 1, 1)
        assert result.counts["pending"] == 4
        assert result.comparison is not None
    assert (api.images, api.idempotency_keys) == (before, [])


def test_a_comparison_alone_lists_every_file_by_kind(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    a_conflict(api, tmp_path)
    write(tmp_path, "former.jpg")
    api.images |= {"former.jpg": b"former.jpg", "elsewhere.jpg": b"copy.jpg"}
    write(tmp_path, "copy.jpg")
    answer = json.loads(json.dumps(compare_folder(client, tmp_path, "g", NoProgress()).to_json()))
    assert (answer["state"], answer["upload_id"]) == ("not_sent", None)
    names = {kind: [file["file_name"] for file in files] for kind, files in answer["comparison"].items()}
    assert names == {
        "add": ["new.jpg"],
        "unchanged": ["former.jpg", "there.jpg"],
        "under_another_name": ["copy.jpg"],
        "replace": ["one.jpg", "two.jpg"],
        "unknown": ["three.jpg"],
        "left_out": ["clip.mov"],
    }
    one = answer["comparison"]["replace"][0]
    assert (one["size"], one["would"], one["sha256"]) == (7, "replace", digest(b"another"))
    assert one["image_id"]
    assert answer["comparison"]["under_another_name"][0]["same_content_as"] == ["elsewhere.jpg"]
    assert [file["recipe"] for file in answer["comparison"]["unchanged"]] == ["former", "current"]
    assert answer["comparison"]["left_out"][0]["reason"] == "unsupported_format"
    assert api.idempotency_keys == []


@pytest.mark.parametrize(
    ("choice", "outcomes"),
    [
        ("replace", {"saved": 2, "replaced": 2, "unchanged": 1, "rejected": 1}),
        ("keep_both", {"saved": 4, "unchanged": 1, "rejected": 1}),
        ("skip", {"saved": 1, "unchanged": 1, "rejected": 1}),
    ],
)
def test_one_choice_for_all_conflicts(
    api: FakeApi, client: GalleryClient, tmp_path: Path, choice: Choice, outcomes: dict[str, int]
) -> None:
    folder = tmp_path / "card2"
    a_conflict(api, folder)
    before = dict(api.images)
    result = ingest_folder(client, folder, "g", NoProgress(), on_conflict=choice)
    assert {outcome: number for outcome, number in result.counts.items() if number} == outcomes
    assert result.image_count == sum(outcomes.values())
    assert result.skipped == (3 if choice == "skip" else 0)
    assert expectations(api).pop("new.jpg") == "absent"
    if choice == "replace":
        assert expectations(api) == {
            "new.jpg": "absent",
            "one.jpg": digest(b"another"),
            "two.jpg": digest(b"one more"),
            # The upload under way decides what is there: the later one replaces it.
            "three.jpg": None,
        }
        assert api.images["one.jpg"] == b"one.jpg"
    else:
        assert {name: api.images[name] for name in before} == before
    if choice == "keep_both":
        kept = {f"card2/{name}": name.encode() for name in ("one.jpg", "two.jpg", "three.jpg")}
        assert {name: content for name, content in api.images.items() if name not in before} == {
            **kept,
            "new.jpg": b"new.jpg",
        }
        assert set(expectations(api).values()) == {"absent"}
        # Once more: all that was kept is there, under another name.
        api.under_way = set()
        again = ingest_folder(client, folder, "g", NoProgress())
        assert (again.upload_id, again.counts["unchanged"], again.counts["rejected"]) == (None, 5, 1)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.client.comparing.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("gallery.client.comparing.LONGEST_PAUSE", 0.02)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("on_conflict", [None, "keep_both", lambda photographs: None], ids=["none", "keep both", "ask"])
def test_what_an_upload_under_way_may_have_is_waited_for(
    api: FakeApi, client: GalleryClient, tmp_path: Path, on_conflict: Any
) -> None:
    """The same folder again, as one of another parent, while its first upload is still being worked on."""
    write(tmp_path, "a.jpg", "b.jpg", "new.jpg")
    api.under_way_as = {"a.jpg": ["card1/a.jpg"], "b.jpg": ["card1/b.jpg", "card1/x.jpg"]}
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:
            api.under_way_as = {}
            api.images |= {"card1/a.jpg": b"a.jpg", "card1/b.jpg": b"b.jpg"}

    api.looked = look
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes, on_conflict=on_conflict)
    assert (result.counts["unchanged"], result.counts["saved"], result.exit_status) == (2, 1, 0)
    assert set(api.arrived) == {"new.jpg"}
    (waits,) = [line for line in notes.lines if "under way" in line]
    assert "which may have 2 files of these" in waits


@pytest.mark.usefixtures("no_pauses")
def test_an_upload_that_does_not_end_is_not_waited_for_without_end(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    api.under_way_as = {"a.jpg": ["card1/a.jpg"]}
    result = ingest_folder(client, tmp_path, "g", NoProgress(), timeout=0.2)
    assert result.counts["saved"] == 2
    assert len(api.compared) > 2
    # Where a choice is needed anyway, nothing is waited for; and a comparison alone only looks.
    api.under_way, api.compared = {"a.jpg"}, []
    assert ingest_folder(client, tmp_path, "g", NoProgress()).exit_status == 3
    compare_folder(client, tmp_path, "g", NoProgress())
    assert all(len(files) == 2 for files in api.compared)


@pytest.mark.usefixtures("no_pauses")
def test_a_photograph_that_the_gallery_has_under_a_name_of_an_upload_under_way_waits(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "a.jpg")
    api.same_content_under_way = {"a.jpg": ["card1/x.jpg"]}

    def look() -> None:
        if len(api.compared) == 3:
            api.same_content_under_way = {}
            api.images = {"card1/x.jpg": b"a.jpg"}

    api.looked = look
    result = ingest_folder(client, tmp_path, "g", NoProgress())
    assert (result.counts["unchanged"], result.upload_id) == (1, None)


@pytest.mark.usefixtures("no_pauses")
def test_what_leaves_the_gallery_while_another_upload_is_waited_for_is_sent(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "there.jpg", "new.jpg")
    api.images = {"there.jpg": b"there.jpg"}
    api.under_way_as = {"new.jpg": ["other.jpg"]}

    def look() -> None:
        if len(api.compared) == 4:
            api.images, api.under_way_as = {}, {}

    api.looked = look
    result = ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict="skip")
    assert (result.counts["saved"], result.counts["unchanged"]) == (2, 0)
    assert set(api.images) == {"there.jpg", "new.jpg"}


def test_what_leaves_the_gallery_while_a_person_decides_is_sent(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    write(tmp_path, "there.jpg", "one.jpg")
    api.images = {"there.jpg": b"there.jpg", "one.jpg": b"another"}

    def choose(photographs: Sequence[ComparedPhotograph]) -> Choices:
        api.images.pop("there.jpg", None)
        return {photograph.file.file_name: "skip" for photograph in photographs}

    result = ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict=choose)
    assert (result.counts["saved"], result.counts["unchanged"], result.skipped) == (1, 0, 1)
    assert api.images["there.jpg"] == b"there.jpg"


def test_a_conflict_that_is_certain_is_told_at_once(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    write(tmp_path, "one.jpg", "new.jpg")
    api.images = {"one.jpg": b"another"}
    api.under_way_as = {"new.jpg": ["other.jpg"]}
    assert ingest_folder(client, tmp_path, "g", NoProgress()).exit_status == 3


def test_a_gallery_is_made_to_show_what_the_folder_has_under_each_name(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    """Contents that have changed places: all are there, under other names."""
    names = ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    write(tmp_path, *names)
    api.images = {name: names[number - 1].encode() for number, name in enumerate(names)}
    assert ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict="keep_both").counts["unchanged"] == 4
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes, on_conflict="replace")
    assert result.counts["replaced"] == 4
    (line,) = notes.lines
    assert line.startswith("in the gallery under another name, sent to have this name: 4 files: 1.jpg as ")
    assert api.images == {name: name.encode() for name in names}


def test_what_was_skipped_is_no_failure(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    api.images = {"a.jpg": b"other"}
    write(tmp_path, "a.jpg")
    result = ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict="skip")
    assert (result.upload_id, result.image_count, result.skipped, result.exit_status) == (None, 0, 1, 0)


def test_kept_beside_another_a_file_gets_the_first_name_that_is_free(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    folder = tmp_path / "card2"
    long = "x" * 250 + ".jpg"
    write(folder, "a.jpg", "sub/b.jpg", long, "c", "a (2).jpg", "c (2)", "odd." + "y" * 40)
    api.images = dict.fromkeys(
        ("a.jpg", "card2/a.jpg", "a (3).jpg", "sub/b.jpg", "card2/sub/b.jpg", long, "c", "odd." + "y" * 40), b"other"
    )
    api.under_way = {"card2/c"}
    before = set(api.images)
    notes = Notes()
    # In small batches, as there are of large galleries.
    api.max_files = 7
    result = ingest_folder(client, folder, "g", notes, on_conflict="keep_both")
    assert result.ok
    kept = {name: content for name, content in api.images.items() if name not in before}
    assert kept == {
        "a (2).jpg": b"a (2).jpg",
        "a (4).jpg": b"a.jpg",
        "sub/b (2).jpg": b"sub/b.jpg",
        "x" * 247 + " (2).jpg": long.encode(),
        "c (2)": b"c (2)",
        "c (3)": b"c",
        f"card2/odd.{'y' * 40}": b"odd." + b"y" * 40,
    }
    assert any(line.startswith("kept beside the gallery's own: 5 files: a.jpg as a (4).jpg, ") for line in notes.lines)


def test_content_whose_only_other_name_is_replaced_is_sent(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    """Else it would leave the gallery, though its file is in the folder and counts as being there."""
    # Renumbered by one, with a new first one.
    api.images = {"1.jpg": b"first", "2.jpg": b"second"}
    for name, content in (("1.jpg", b"newer"), ("2.jpg", b"first"), ("3.jpg", b"second")):
        (tmp_path / name).write_bytes(content)
    asked: list[list[str]] = []

    def replace_all(photographs: Sequence[ComparedPhotograph]) -> Choices:
        names = [photograph.file.file_name for photograph in photographs]
        asked.append(names)
        return dict.fromkeys(names, "replace")

    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes, on_conflict=replace_all)
    assert asked == [["1.jpg"], ["2.jpg"]]
    elsewhere = "2 files: 2.jpg as 1.jpg, 3.jpg as 2.jpg"
    assert notes.lines == [f"in the gallery under another name, sent to have this name: {elsewhere}"]
    assert api.images == {"1.jpg": b"newer", "2.jpg": b"first", "3.jpg": b"second"}
    assert expectations(api) == {"1.jpg": digest(b"first"), "2.jpg": digest(b"second"), "3.jpg": "absent"}
    assert (result.counts["replaced"], result.counts["saved"]) == (2, 1)


def test_content_that_keeps_its_other_name_is_not_sent(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    api.images = {"1.jpg": b"first", "2.jpg": b"second"}
    for name, content in (("1.jpg", b"newer"), ("2.jpg", b"first"), ("3.jpg", b"second")):
        (tmp_path / name).write_bytes(content)
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes, on_conflict="skip")
    assert (result.upload_id, result.counts["unchanged"], result.skipped) == (None, 2, 1)
    assert "in the gallery under another name, not sent: 2 files: 2.jpg as 1.jpg, 3.jpg as 2.jpg" in notes.lines


def test_who_was_overtaken_replaces_nothing_and_is_told(api: FakeApi, client: GalleryClient, tmp_path: Path) -> None:
    api.images = {"a.jpg": b"old"}
    write(tmp_path, "a.jpg", "b.jpg")

    def others() -> None:
        api.images |= {"a.jpg": b"of others", "b.jpg": b"of others"}

    api.meanwhile = others
    result = ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict="replace")
    assert set(api.images.values()) == {b"of others"}
    assert (result.to_decide, result.counts["rejected"], result.exit_status) == (2, 2, 1)


def test_more_files_than_an_upload_takes_are_an_error_before_anything_is_sent(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    api.max_files = 2
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(RefusedRequest, match="takes 2 files, and 3 are to be sent: divide the folder"):
        ingest_folder(client, tmp_path, "g", NoProgress())
    api.images = {"a.jpg": b"a.jpg"}
    assert ingest_folder(client, tmp_path, "g", NoProgress()).ok


def test_an_api_of_an_earlier_release_gets_everything_as_before(
    api: FakeApi, client: GalleryClient, tmp_path: Path
) -> None:
    api.can_compare = False
    api.images = {"a.jpg": b"old"}
    write(tmp_path, "a.jpg", "b.jpg", "clip.mov")
    notes = Notes()
    result = ingest_folder(client, tmp_path, "g", notes)
    assert all("expect" not in file for file in api.declared), "it refuses fields that it does not know"
    assert (result.counts["replaced"], result.counts["saved"], result.counts["rejected"]) == (1, 1, 1)
    assert notes.lines == [
        "the gallery API is of an earlier release: all files are sent, and replace those of the same name"
    ]
    with pytest.raises(GalleryError, match="cannot compare"):
        compare_folder(client, tmp_path, "g", NoProgress())


@pytest.mark.parametrize("choice", ["keep_both", "skip"])
def test_what_an_api_of_an_earlier_release_cannot_do_is_refused(
    api: FakeApi, client: GalleryClient, tmp_path: Path, choice: Choice
) -> None:
    api.can_compare = False
    write(tmp_path, "a.jpg")
    with pytest.raises(GalleryError, match=r"cannot compare: .* pass --on-conflict replace if that is meant"):
        ingest_folder(client, tmp_path, "g", NoProgress(), on_conflict=choice)
    assert api.idempotency_keys == []
