"""The rebuild of renditions after a change of styles, watermark or processing: windows of one map, report."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run
from pydantic import Field

from gallery import runs
from gallery.errors import DeletionRefused, GalleryError, TransientError
from gallery.names import GALLERY_ID, STYLE_NAME
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, open_rebuild
from gallery.rebuild.report import RebuildProblem, RebuildReport
from gallery.rebuild.steps import RebuildReceipt
from gallery.retrying import retry
from gallery.settings import load_settings
from tasks.artifacts import RunProgress
from tasks.forgetting import FormerResults
from tasks.hooks import write_upkeep_end
from tasks.rebuild import rebuild_window
from tasks.states import failed_by
from tasks.tuning import collect_garbage, tune_process
from tasks.upkeep import upkeep_run

FLOW_NAME = "rebuild-renditions"
# Of this run and its decoders: whatever else the machine has to do goes first.
NICENESS = 10
# The form's titles. As extras, for Prefect sets each field's own title to the parameter's name.
OneGallery = Annotated[
    Annotated[str, Field(pattern=f"^{GALLERY_ID.pattern}$")] | None,
    Field(examples=["summer-wedding"], json_schema_extra={"title": "Gallery"}),
]
OneStyle = Annotated[
    Annotated[str, Field(pattern=f"^{STYLE_NAME.pattern}$")] | None,
    Field(examples=["thumb"], json_schema_extra={"title": "Style"}),
]


@flow(
    name=FLOW_NAME,
    persist_result=False,
    on_cancellation=[write_upkeep_end],
    on_crashed=[write_upkeep_end],
    on_failure=[write_upkeep_end],
)
def rebuild_renditions(gallery_id: OneGallery = None, style: OneStyle = None) -> State[Any]:
    """Make the renditions anew of all images that another recipe has made: other styles, watermark or processing.

    From the originals in the library. A run, first or repeated, works only on images that are not of the worker's
    current recipe. An image stays as it is until its new renditions are all there.

    Args:
        gallery_id: The gallery's id, for example summer-wedding. Left empty: all galleries.
        style: Make only this style anew, for example thumb, and keep each image's other renditions. Left empty: all
            styles.
    """
    os.nice(NICENESS)
    tune_process()
    settings = load_settings()
    where = gallery_id or "all"
    name = f"rebuild {gallery_id or 'all galleries'}" + (f", {style}" if style else "")
    run_id = UUID(this_run.id)
    try:
        with (
            upkeep_run(settings, FLOW_NAME, artifact_key=f"rebuild-{where}", gallery_id=gallery_id) as run,
            open_rebuild(settings, run.attempt, gallery_id=gallery_id, style=style) as rebuild,
        ):
            due = retry(settings, partial(steps.count, rebuild)).due
            runs.name_run(run_id, this_run.name, runs.run_name(name, due))
            rebuild.decoders.warm_up(due)
            run.report = _rebuild(rebuild, RunProgress(f"rebuild-{where}", due))
    except GalleryError as error:
        runs.name_run(run_id, this_run.name, name)
        return failed_by(error)
    return run.final_state


def _rebuild(rebuild: Rebuild, progress: RunProgress) -> RebuildReport:
    """Map the images, window by window, so that disk, memory and futures stay bounded."""
    settings = rebuild.settings
    report = RebuildReport()
    # Nothing takes up what an image's task run returned.
    former_results = FormerResults(windows=0)
    window = retry(settings, partial(steps.next_window, rebuild, None))
    while window:
        results = rebuild_window(rebuild, window)
        for result in results:
            report.add(result)
            if isinstance(result, RebuildProblem):
                _log_problem(result)
        report.deleted += _clean_up(rebuild, [result for result in results if isinstance(result, RebuildReceipt)])
        progress.advance(len(window))
        former_results.forget()
        collect_garbage()
        window = retry(settings, partial(steps.next_window, rebuild, window[-1]))
    report.busy = retry(settings, partial(steps.count, rebuild)).busy
    return report


def _clean_up(rebuild: Rebuild, receipts: list[RebuildReceipt]) -> int:
    try:
        return retry(rebuild.settings, partial(steps.clean_up, rebuild, receipts))
    except (TransientError, DeletionRefused) as error:
        # It changes nothing about the images that are rebuilt.
        get_run_logger().warning("Former renditions are left to the sweep: %s: %s", error.reason, error)
        return 0


def _log_problem(problem: RebuildProblem) -> None:
    get_run_logger().warning(
        "%s in %s: %s, %s: %s",
        problem.outdated.file_name,
        problem.outdated.gallery_id,
        problem.outcome,
        problem.reason,
        problem.message,
    )
