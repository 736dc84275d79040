"""The rebuild of one image, and its map over a window of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from gallery.catalogue.outdated import OutdatedVersion
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, processors
from gallery.rebuild.report import RebuildProblem
from gallery.rebuild.steps import RebuildReceipt
from tasks.maps import fault
from tasks.policies import retry_options


# Not cached: what is done is not selected again.
@task(task_run_name="rebuild {outdated.file_name}", cache_policy=NO_CACHE, persist_result=False)
def rebuild_image(rebuild: Rebuild, outdated: OutdatedVersion) -> RebuildReceipt:
    """Render an image's original anew, and make that its current version, unless something newer has come."""
    return steps.rebuild_image(rebuild, outdated)


def rebuild_window(rebuild: Rebuild, window: Sequence[OutdatedVersion]) -> list[RebuildReceipt | RebuildProblem]:
    """Map `rebuild_image` over a window, with the run's retry policy, and wait for all of it.

    Twice as many threads as decoders, so that one image comes and goes while another is decoded.
    """
    mapped = rebuild_image.with_options(**retry_options(rebuild.settings))
    # A task runner keeps something of each task run until it ends: one a window, for a run may have a million images.
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2 * processors(rebuild.settings))
    with runner as threads:
        # The same as task.map(...), in the threads of our choice.
        parameters: dict[str, Any] = {"rebuild": unmapped(rebuild), "outdated": window}
        futures = cast(list[PrefectFuture[RebuildReceipt]], threads.map(mapped, parameters))
        results = [_result(outdated, future) for outdated, future in zip(window, futures, strict=True)]
    # So does the run, of each result, to tell which task run it came from should another take it; here none does.
    if (context := FlowRunContext.get()) is not None:
        context.run_results.clear()
        context.task_run_assets.clear()
    return results


def _result(outdated: OutdatedVersion, future: PrefectFuture[RebuildReceipt]) -> RebuildReceipt | RebuildProblem:
    result: Any = future.result(raise_on_failure=False)
    if future.state.is_completed():
        receipt: RebuildReceipt = result
        return receipt
    return RebuildProblem(outdated, **fault(result))
