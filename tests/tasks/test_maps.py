"""What comes out of a map, whatever its task runs ended in."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

from prefect import task
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.maps import Done, StageMap, start_map


class Future:
    def __init__(self, state: Any, result: object) -> None:
        self.state, self._result = state, result

    def result(self, *, raise_on_failure: bool) -> object:
        assert not raise_on_failure
        return self._result


def test_results_and_errors_come_out_with_their_items_in_order() -> None:
    error = ValueError("no")
    futures = [
        Future(Completed(), "one"),
        Future(Failed(), error),
        Future(Completed(name="Cached"), "three"),
    ]
    closed: list[bool] = []
    threads = ExitStack()
    threads.callback(closed.append, True)
    settled = StageMap(["a", "b", "c"], cast(Any, futures), threads).settle()
    assert settled.done == [Done("a", "one", is_cached=False), Done("c", "three", is_cached=True)]
    assert settled.results == ["one", "three"]
    assert settled.failed == [("b", error)]
    assert closed == [True]


def test_shared_arguments_are_the_same_for_all_and_mapped_ones_have_one_each() -> None:
    given: list[dict[str, Any]] = []

    class Runner:
        def map(self, mapped: Any, parameters: dict[str, Any]) -> list[Future]:
            given.append(parameters)
            return [Future(Completed(), number) for number in parameters["number"]]

    @task
    def double(shared: object, number: int) -> int:
        return 2 * number

    shared = SimpleNamespace()
    under_way: StageMap[int, int] = start_map(
        double,
        [1, 2],
        cast(ThreadPoolTaskRunner[int], Runner()),
        shared={"shared": shared},
        mapped={"number": [1, 2]},
    )
    assert under_way.settle().results == [1, 2]
    (parameters,) = given
    assert parameters["shared"].value is shared
    assert parameters["number"] == [1, 2]


def test_a_map_over_nothing_starts_no_task_run() -> None:
    under_way: StageMap[int, int] = start_map(cast(Any, None), [], cast(Any, None), shared={}, mapped={})
    settled = under_way.settle()
    assert (settled.done, settled.failed) == ([], [])
