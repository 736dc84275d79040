"""The rebuild of one image, and its map over a window of images."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from gallery.catalogue.outdated import OutdatedVersion
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, processors
from gallery.rebuild.report import RebuildProblem
from gallery.rebuild.steps import RebuildReceipt
from tasks.maps import start_map
from tasks.policies import retry_options


# Not cached: what is done is not selected again.
@task(task_run_name="rebuild {outdated.file_name}", cache_policy=NO_CACHE, persist_result=False)
def rebuild_image(rebuild: Rebuild, outdated: OutdatedVersion) -> RebuildReceipt:
    """Render an image's original again, and make that its current version, unless something newer has come."""
    return steps.rebuild_image(rebuild, outdated)


def rebuild_window(rebuild: Rebuild, window: Sequence[OutdatedVersion]) -> list[RebuildReceipt | RebuildProblem]:
    """Map `rebuild_image` over a window, with the run's retry policy, and wait for all of it.

    Twice as many threads as decoders, so that one image comes and goes while another is decoded.
    """
    mapped = rebuild_image.with_options(**retry_options(rebuild.settings))
    # A task runner keeps something of each task run until it ends: one per window, for a run may have a million images.
    runner: ThreadPoolTaskRunner[RebuildReceipt] = ThreadPoolTaskRunner(max_workers=2 * processors(rebuild.settings))
    with runner as threads:
        settled = start_map(mapped, window, threads, shared={"rebuild": rebuild}, mapped={"outdated": window}).settle()
    return [*settled.results, *(RebuildProblem.of(outdated, error) for outdated, error in settled.failed)]
