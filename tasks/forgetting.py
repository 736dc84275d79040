"""The one place that touches Prefect's internals: what a flow run keeps of its task runs' results.

Until the flow run ends, Prefect 3.9 keeps for each result which task run had it (`FlowRunContext.run_results`), to draw
dependencies, and each task run's assets (`task_run_assets`). It offers no way to let go of them. In a run of thousands
of images that is what memory grows by. `tests/tasks/test_forgetting.py` fails when their shape changes.
"""

from __future__ import annotations

from collections import deque

from prefect.context import FlowRunContext


class FormerResults:
    """What a flow run keeps of the results of former windows.

    `windows` is how many further windows may still pass on a result of a window that is over; 0 where none does.
    """

    def __init__(self, *, windows: int) -> None:
        self._kept: deque[frozenset[int]] = deque([frozenset()] * windows)

    def forget(self) -> None:
        """Let go of what no window uses any longer. Call it at the end of each window, in the flow."""
        context = FlowRunContext.get()
        if context is None:
            return
        self._kept.append(frozenset(context.run_results))
        for result in self._kept.popleft():
            context.run_results.pop(result, None)
        context.task_run_assets.clear()
