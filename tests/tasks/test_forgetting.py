"""What Prefect keeps of results, as this version of Prefect keeps it: fails where its shape changes."""

from __future__ import annotations

import gc
from typing import Any
from uuid import uuid4

import pytest
from prefect.context import FlowRunContext
from prefect.states import Completed
from prefect.utilities.engine import get_state_for_result, link_state_to_task_run_result

from gallery.catalogue.outdated import OutdatedVersion
from gallery.models import Deletion, DownloadedImage, Entry, ObjectKey, ProcessedImage, SaveReceipt
from gallery.rebuild.steps import RebuildReceipt
from tasks.forgetting import FormerResults


@pytest.fixture
def context() -> Any:
    """A flow run's context with nothing in it but what results leave there."""
    fields: dict[str, Any] = {"run_results": {}, "task_run_assets": {}}
    made = FlowRunContext.model_construct(**fields)
    token = FlowRunContext.__var__.set(made)
    yield made
    FlowRunContext.__var__.reset(token)


def linked(count: int) -> list[object]:
    """Results of so many task runs, as Prefect links them to the runs."""
    results: list[object] = [SaveReceipt(n, f"{n}.jpg", "saved", ()) for n in range(count)]
    for result in results:
        link_state_to_task_run_result(Completed(), result)
    return results


def known(windows: list[list[object]]) -> list[int]:
    """Of how many results of each window Prefect still knows the task run."""
    return [sum(get_state_for_result(result) is not None for result in window) for window in windows]


def test_prefect_keeps_results_and_assets_where_they_are_looked_for(context: FlowRunContext) -> None:
    fields = FlowRunContext.model_fields
    assert str(fields["run_results"].annotation).startswith("dict[int, tuple[")
    assert str(fields["task_run_assets"].annotation).startswith("dict[uuid.UUID, set[")
    (result,) = linked(1)
    # The result, and the objects in its fields.
    assert id(result) in context.run_results
    assert get_state_for_result(result) is not None


def test_links_go_two_windows_after_their_own(context: FlowRunContext) -> None:
    former = FormerResults(windows=2)
    windows = []
    for _ in range(3):
        windows.append(linked(3))
        former.forget()
    assert known(windows) == [0, 3, 3]
    windows.append(linked(2))
    former.forget()
    assert known(windows) == [0, 0, 3, 2]


def test_links_go_at_once_where_no_window_passes_them_on(context: FlowRunContext) -> None:
    former = FormerResults(windows=0)
    for _ in range(3):
        results = linked(4)
        former.forget()
        assert results
        assert context.run_results == {}


def test_assets_go_at_the_end_of_each_window(context: FlowRunContext) -> None:
    context.task_run_assets[uuid4()] = set()
    FormerResults(windows=2).forget()
    assert context.task_run_assets == {}


def test_outside_a_flow_run_there_is_nothing_to_forget() -> None:
    assert FlowRunContext.get() is None
    FormerResults(windows=2).forget()


ENTRY = Entry(1, "a.jpg", ObjectKey("g/u/a.jpg"), "etag", 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: DownloadedImage(ENTRY, path, "sha"),
        lambda path: ProcessedImage(
            sha256="s", recipe_id="r", width=1, height=1, source_format="JPEG", extension=".jpg", metadata={},
            renditions=(),
        ),
        lambda path: SaveReceipt(1, "a.jpg", "saved", (Deletion(1, "b", ObjectKey("k")),)),
        lambda path: RebuildReceipt("rebuilt", "u"),
    ],
    ids=["downloaded", "processed", "saved", "rebuilt"],
)  # fmt: skip
def test_a_result_that_is_gone_is_not_taken_for_one_at_the_same_address(
    context: FlowRunContext, make: Any, tmp_path: Any
) -> None:
    result = make(tmp_path)
    link_state_to_task_run_result(Completed(), result)
    (entry,) = (kept for address, kept in context.run_results.items() if address == id(result))
    del result
    gc.collect()
    # A weak reference, and nobody else holds the result: another object with this address is told from it.
    assert entry[2] is not None
    assert entry[2]() is None


def test_what_is_passed_to_tasks_only_needs_no_weak_reference() -> None:
    assert not Entry.__weakrefoffset__
    assert not OutdatedVersion.__weakrefoffset__
