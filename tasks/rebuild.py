"""The rebuild of one image, and its map over a window of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from gallery.catalogue.rebuild import OutdatedVersion
from gallery.rebuild import steps
from gallery.rebuild.report import RebuildProblem
from gallery.rebuild.steps import RebuildReceipt
from gallery.rebuild.workspace import Rebuild, processors
from tasks.maps import fault
from tasks.policies import retry_options


# Not cached: what is done is not selected again.
@task(task_run_name="rebuild {outdated.file_name}", cache_policy=NO_CACHE, persist_result=False)
def rebuild_image(rebuild: Rebuild, outdated: OutdatedVersion) -> RebuildReceipt:
    """Render an image's original anew, and make that its current version, unless something newer has come."""
    return steps.rebuild_image(rebuild, outdated)


class RebuildMap:
    """Maps `rebuild_image` with the run's retry policy. Use it as a context manager.

    Twice as many threads as decoders, so that one image comes and goes while another is decoded.
    """

    def __init__(self, rebuild: Rebuild) -> None:
        self._rebuild = rebuild
        self._threads: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2 * processors(rebuild.settings))
        self._task = rebuild_image.with_options(**retry_options(rebuild.settings))

    def __enter__(self) -> Self:
        self._threads.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._threads.__exit__(*error)

    def run(self, window: Sequence[OutdatedVersion]) -> list[RebuildReceipt | RebuildProblem]:
        """Rebuild a window, and wait for all of it."""
        # The same as task.map(...), in the threads of our choice.
        parameters: dict[str, Any] = {"rebuild": unmapped(self._rebuild), "outdated": window}
        futures = cast(list[PrefectFuture[RebuildReceipt]], self._threads.map(self._task, parameters))
        return [_result(outdated, future) for outdated, future in zip(window, futures, strict=True)]


def _result(outdated: OutdatedVersion, future: PrefectFuture[RebuildReceipt]) -> RebuildReceipt | RebuildProblem:
    result: Any = future.result(raise_on_failure=False)
    if future.state.is_completed():
        receipt: RebuildReceipt = result
        return receipt
    return RebuildProblem(outdated, **fault(result))
