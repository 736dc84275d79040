"""The gate: what is under way stays within the capacity, and nothing waits for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from gallery.imaging.gate import WeightedGate


def test_the_sum_of_weights_stays_within_the_capacity_and_the_heaviest_runs_alone() -> None:
    gate, lock = WeightedGate(10), Lock()
    held: list[int] = []
    sums: list[list[int]] = []

    def pass_through(weight: int) -> None:
        with gate.hold(weight):
            with lock:
                held.append(weight)
                sums.append(list(held))
            with lock:
                held.remove(weight)

    weights = [3, 4, 25, 5, 10, 1] * 50
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(pass_through, weights))

    assert len(sums) == len(weights)
    assert all(sum(together) <= 10 or together == [25] for together in sums)
