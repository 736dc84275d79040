"""How a window goes through the stages, and how windows overlap; with maps that answer at once, and no server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gallery.errors import ClaimLost, RejectedImage, ResultGone, StagedFileError, StaleAttempt, TransientError
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import Deletion, DownloadedImage, Entry, ObjectKey, ProcessedImage, SaveReceipt
from tasks.maps import Done, Settled, StageMaps
from tasks.windows import FIRST_WINDOW, Window, claimed, overlapped, window_sizes

Errors = dict[tuple[str, int], Exception]


def entries(count: int, first: int = 1) -> list[Entry]:
    return [Entry(n, f"{n}.jpg", ObjectKey(f"g/u/{n}.jpg"), f"etag-{n}", 10) for n in range(first, first + count)]


def processed(number: int, made: str = "now") -> ProcessedImage:
    return ProcessedImage(
        sha256=str(number), recipe_id=made, width=1, height=1, source_format="JPEG", extension=".jpg", metadata={},
        renditions=(),
    )  # fmt: skip


@dataclass
class AnsweringMap:
    """A map that is over already; it notes when it is settled."""

    settled: Settled[Any, Any]
    note: Callable[[], None]

    def settle(self) -> Settled[Any, Any]:
        self.note()
        return self.settled


@dataclass
class AnsweringMaps:
    """In place of `StageMaps`: each stage raises what `errors` has for it, and delivers a result otherwise.

    `cached` are numbers whose processing comes from the cache; `replacing` those whose save leaves something to delete.
    """

    scratch: Path
    errors: Errors = field(default_factory=dict)
    cached: frozenset[int] = frozenset()
    replacing: frozenset[int] = frozenset()
    events: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def download(self, items: Sequence[Entry]) -> AnsweringMap:
        def arrive(entry: Entry) -> DownloadedImage:
            path = self.scratch / str(entry.number)
            path.touch()
            return DownloadedImage(entry, path, f"sha-{entry.number}")

        return self._map("download", items, [entry.number for entry in items], arrive)

    def process(self, items: Sequence[DownloadedImage], *, past_cache: bool = False) -> AnsweringMap:
        numbers = [image.entry.number for image in items]
        cached = frozenset() if past_cache else self.cached
        stage = "process again" if past_cache else "process"
        return self._map(
            stage, items, numbers, lambda image: processed(image.entry.number, "again" if past_cache else "now"), cached
        )

    def save(self, items: Sequence[tuple[Entry, ProcessedImage]]) -> AnsweringMap:
        self.saved = {entry.number: image.recipe_id for entry, image in items}
        of = [entry for entry, _ in items]

        def commit(entry: Entry) -> SaveReceipt:
            gone = (Deletion(1, "b", ObjectKey("k")),) if entry.number in self.replacing else ()
            return SaveReceipt(entry.number, entry.file_name, "replaced" if gone else "saved", gone)

        return self._map("save", of, [entry.number for entry in of], commit)

    def cleanup(self, items: Sequence[SaveReceipt]) -> AnsweringMap:
        return self._map("cleanup", items, [receipt.number for receipt in items], lambda receipt: 1)

    def _map(
        self,
        stage: str,
        items: Sequence[Any],
        numbers: list[int],
        deliver: Callable[[Any], Any],
        cached: frozenset[int] = frozenset(),
    ) -> AnsweringMap:
        self.events.append((stage, "starts", numbers))
        settled: Settled[Any, Any] = Settled([], [])
        for item, number in zip(items, numbers, strict=True):
            if (error := self.errors.get((stage, number))) is not None:
                settled.failed.append((item, error))
            else:
                settled.done.append(Done(item, deliver(item), is_cached=number in cached))
        return AnsweringMap(settled, lambda: self.events.append((stage, "is over", numbers)))


@pytest.fixture
def workspace() -> Workspace:
    return cast(Workspace, SimpleNamespace(settings=SimpleNamespace(retries=0, retry_delay_seconds=0.001)))


@pytest.fixture(autouse=True)
def nothing_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "settle_unchanged", lambda _workspace, images: list(images))
    monkeypatch.setattr(stages, "hand_back", lambda _workspace, numbers: None)
    monkeypatch.setattr(stages, "settle_overtaken", lambda _workspace, entries: set())
    monkeypatch.setattr(stages, "is_intact", lambda _workspace, _entry, _image: True)


def through(workspace: Workspace, maps: AnsweringMaps, count: int = 3) -> Window:
    window = Window(workspace, cast(StageMaps, maps), entries(count))
    for step in (window.download, window.process, window.save, window.finish):
        step()
    return window


def started(maps: AnsweringMaps) -> dict[str, list[int]]:
    return {stage: numbers for stage, what, numbers in maps.events if what == "starts"}


def test_every_image_goes_through_all_stages_and_only_replacements_are_cleaned_up(
    workspace: Workspace, tmp_path: Path
) -> None:
    maps = AnsweringMaps(tmp_path, replacing=frozenset({2}))
    window = through(workspace, maps)
    assert started(maps) == {
        "download": [1, 2, 3],
        "process": [1, 2, 3],
        "process again": [],
        "save": [1, 2, 3],
        "cleanup": [2],
    }
    assert (window.problems, window.finished) == ([], 3)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_a_stage_loses_goes_no_further_and_holds_up_none(workspace: Workspace, tmp_path: Path) -> None:
    away = TransientError("storage_unavailable", "the store is away")
    maps = AnsweringMaps(
        tmp_path,
        errors={
            ("download", 1): away,
            ("process", 2): RejectedImage("truncated", "the file is cut off"),
            ("save", 3): TransientError("database_unavailable", "no database"),
            ("process", 4): ZeroDivisionError("at /secret/path"),
        },
        replacing=frozenset({3, 5}),
    )
    window = through(workspace, maps, 5)
    assert started(maps)["process"] == [2, 3, 4, 5]
    assert started(maps)["save"] == [3, 5]
    assert started(maps)["cleanup"] == [5]
    told = [(p.number, p.file_name, p.outcome, p.stage, p.reason, p.message) for p in window.problems]
    assert told == [
        (1, "1.jpg", "failed", "download", "storage_unavailable", "the store is away"),
        (2, "2.jpg", "rejected", "process", "truncated", "the file is cut off"),
        (4, "4.jpg", "failed", "process", "internal_error", "ZeroDivisionError: the run's log has the details"),
        (3, "3.jpg", "failed", "save", "database_unavailable", "no database"),
    ]
    assert window.finished == 5
    # The scratch files of the lost ones are gone as well.
    assert list(tmp_path.iterdir()) == []


def test_a_cleanup_that_fails_is_a_problem_but_loses_no_image(workspace: Workspace, tmp_path: Path) -> None:
    away = TransientError("storage_unavailable", "the store is away")
    window = through(workspace, AnsweringMaps(tmp_path, errors={("cleanup", 1): away}, replacing=frozenset({1})))
    assert [(problem.number, problem.stage, problem.reason) for problem in window.problems] == [
        (1, "cleanup", "storage_unavailable")
    ]
    assert window.finished == 3


@pytest.mark.parametrize("stage", ["download", "process", "save", "cleanup"])
def test_a_stale_attempt_stops_whatever_stage_meets_it(workspace: Workspace, tmp_path: Path, stage: str) -> None:
    maps = AnsweringMaps(tmp_path, errors={(stage, 2): StaleAttempt("u", 1)}, replacing=frozenset({2}))
    with pytest.raises(StaleAttempt):
        through(workspace, maps)
    after = {"download": "process", "process": "save", "save": "cleanup"}.get(stage)
    assert after not in started(maps)


@pytest.mark.parametrize(
    ("stage", "error", "handed_back"),
    [
        ("save", ClaimLost("taken over"), []),
        ("save", ResultGone("about to be deleted"), [2]),
    ],
    ids=["taken over", "result gone"],
)
def test_what_is_not_this_process_s_to_decide_is_no_problem_of_it(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    error: Exception,
    handed_back: list[int],
) -> None:
    back: list[int] = []
    monkeypatch.setattr(stages, "hand_back", lambda _workspace, numbers: back.extend(numbers))
    window = through(workspace, AnsweringMaps(tmp_path, errors={(stage, 2): error}))
    assert window.problems == []
    assert (back, window.finished) == (handed_back, 3 - len(handed_back))


def test_a_claim_that_is_lost_before_processing_costs_no_other_image(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(_workspace: Workspace, _images: Sequence[DownloadedImage]) -> list[DownloadedImage]:
        raise ClaimLost("taken over")

    monkeypatch.setattr(stages, "settle_unchanged", settle)
    maps = AnsweringMaps(tmp_path, errors={("save", 2): ClaimLost("taken over")})
    assert through(workspace, maps).problems == []
    assert started(maps)["save"] == [1, 2, 3]


def test_what_a_later_upload_has_removed_is_no_problem(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def settle(_workspace: Workspace, entries: Sequence[Entry]) -> set[int]:
        asked.extend(entry.number for entry in entries)
        return {2}

    monkeypatch.setattr(stages, "settle_overtaken", settle)
    gone = StagedFileError("missing_object", "gone")
    away = TransientError("storage_unavailable", "away")
    maps = AnsweringMaps(tmp_path, errors={("download", 1): gone, ("save", 2): gone, ("save", 3): away})
    window = through(workspace, maps)
    assert asked == [1, 2]
    assert [problem.number for problem in window.problems] == [1, 3]


def test_what_is_unchanged_is_not_processed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_but_the_second(_workspace: Workspace, images: Sequence[DownloadedImage]) -> list[DownloadedImage]:
        return [image for image in images if image.entry.number != 2]

    monkeypatch.setattr(stages, "settle_unchanged", all_but_the_second)
    maps = AnsweringMaps(tmp_path)
    through(workspace, maps)
    assert (started(maps)["process"], started(maps)["save"]) == ([1, 3], [1, 3])


def test_a_cached_result_counts_only_where_its_renditions_are_still_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def is_intact(_workspace: Workspace, _entry: Entry, image: ProcessedImage) -> bool:
        asked.append(image.sha256)
        return image.sha256 != "2"

    monkeypatch.setattr(stages, "is_intact", is_intact)
    maps = AnsweringMaps(tmp_path, cached=frozenset({2, 3}))
    through(workspace, maps)
    assert asked == ["2", "3"]
    assert started(maps)["process again"] == [2]
    assert maps.saved == {1: "now", 3: "now", 2: "again"}
    assert list(tmp_path.iterdir()) == []


def test_steps_of_the_window_itself_are_retried(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception | bool] = [TransientError("storage_unavailable", "away"), True]

    def is_intact(_workspace: Workspace, _entry: Entry, _image: ProcessedImage) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(stages, "is_intact", is_intact)
    workspace.settings = replace_retries(workspace, 1)
    maps = AnsweringMaps(tmp_path, cached=frozenset({1}))
    through(workspace, maps, 1)
    assert (answers, started(maps)["process again"]) == ([], [])


def replace_retries(workspace: Workspace, retries: int) -> Any:
    return SimpleNamespace(**{**vars(workspace.settings), "retries": retries})


class Recorded:
    """In place of a window: notes its steps."""

    def __init__(self, number: int, events: list[tuple[str, int]]) -> None:
        self._number, self._events = number, events

    def __getattr__(self, step: str) -> Callable[[], None]:
        return lambda: self._events.append((step, self._number))


def order(windows: int) -> list[tuple[str, int]]:
    """What happens in which order, by the rule: in turn t window t is processed, the one before the last finished, the
    last one saved, and the next one downloaded.
    """
    expected = []
    for turn in range(-1, windows + 2):
        steps = [("process", turn), ("finish", turn - 2), ("yielded", turn - 2), ("save", turn - 1)]
        expected += [step for step in [*steps, ("download", turn + 1)] if 0 <= step[1] < windows]
    return expected


@pytest.mark.parametrize("count", range(40))
def test_windows_overlap_in_one_order(count: int) -> None:
    events: list[tuple[str, int]] = []
    windows = [Recorded(number, events) for number in range(count)]
    finished = overlapped(cast(list[Window], windows))
    while (window := next(finished, None)) is not None:
        events.append(("yielded", windows.index(cast(Any, window))))
    assert events == order(count)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 39])
def test_the_scratch_disk_holds_the_originals_of_two_windows(count: int) -> None:
    events: list[tuple[str, int]] = []
    for _ in overlapped(cast(list[Window], [Recorded(number, events) for number in range(count)])):
        pass
    held: set[int] = set()
    for step, number in events:
        if step == "download":
            held.add(number)
            assert len(held) <= 3
            # Of three, the oldest has been processed: its files go as its images are through.
            assert len(held) < 3 or ("process", min(held)) in events[: events.index(("download", number))]
        elif step == "save":
            held.discard(number)


def test_windows_are_made_only_when_their_turn_has_come() -> None:
    events: list[tuple[str, int]] = []

    def made(count: int) -> Any:
        for number in range(count):
            events.append(("made", number))
            yield Recorded(number, events)

    for _ in overlapped(made(5)):
        break
    assert [number for step, number in events if step == "made"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("images", "largest", "sizes"),
    [
        (0, 64, []),
        (1, 64, [1]),
        (8, 64, [8]),
        (9, 64, [8, 1]),
        (200, 64, [8, 16, 32, 64, 64, 16]),
        (10, 4, [4, 4, 2]),
        (3, 1, [1, 1, 1]),
        (1361, 1000, [8, 16, 32, 64, 128, 256, 512, 345]),
    ],
)
def test_windows_double_up_to_the_largest(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, largest: int, sizes: list[int]
) -> None:
    todo = entries(images)
    left = list(todo)

    def claim(_workspace: Workspace, limit: int) -> list[Entry]:
        return [left.pop(0) for _ in range(min(limit, len(left)))]

    monkeypatch.setattr(stages, "claim", claim)
    windows = list(claimed(workspace, cast(StageMaps, AnsweringMaps(tmp_path)), window_sizes(largest)))
    assert [len(window.entries) for window in windows] == sizes
    assert [entry for window in windows for entry in window.entries] == todo
    assert FIRST_WINDOW == 8


def test_entries_of_a_window_are_those_it_was_given(workspace: Workspace, tmp_path: Path) -> None:
    some = [replace(entry, size=5) for entry in entries(2, first=7)]
    assert Window(workspace, cast(StageMaps, AnsweringMaps(tmp_path)), some).entries == some
