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

from gallery import maintenance, runs
from gallery.errors import TransientError
from gallery.names import GALLERY_ID, STYLE_NAME
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, open_rebuild
from gallery.rebuild.report import RebuildProblem, RebuildReport
from gallery.rebuild.steps import RebuildReceipt
from gallery.retrying import patiently
from gallery.settings import load_settings
from tasks.artifacts import RunProgress, publish_summary
from tasks.rebuild import rebuild_window
from tasks.states import final_state
from tasks.tuning import be_frugal, collect_now_and_then
from tasks.upkeep import write_end

FLOW_NAME = "rebuild-renditions"
# Of this run and its decoders: whatever else the machine has to do goes first.
NICENESS = 10
# The form's titles. As extras, for Prefect sets each field's own title to the parameter's name.
GalleryId = Annotated[
    Annotated[str, Field(pattern=f"^{GALLERY_ID.pattern}$")] | None,
    Field(examples=["summer-wedding"], json_schema_extra={"title": "Gallery"}),
]
StyleName = Annotated[
    Annotated[str, Field(pattern=f"^{STYLE_NAME.pattern}$")] | None,
    Field(examples=["thumb"], json_schema_extra={"title": "Style"}),
]


@flow(
    name=FLOW_NAME,
    persist_result=False,
    on_cancellation=[write_end],
    on_crashed=[write_end],
    on_failure=[write_end],
)
def rebuild_renditions(gallery_id: GalleryId = None, style: StyleName = None) -> State[Any]:
    """Make the renditions anew of all images that another recipe has made: other styles, watermark or processing.

    From the originals in the library. A run, first or repeated, works only on images that are not of the worker's
    current recipe. An image stays as it is until its new renditions are all there.

    Args:
        gallery_id: The gallery's id, for example summer-wedding. Left empty: all galleries.
        style: Make only this style anew, for example thumb, and keep each image's other renditions. Left empty: all
            styles.
    """
    os.nice(NICENESS)
    be_frugal()
    settings = load_settings()
    run_id = UUID(this_run.id)
    begin = partial(
        maintenance.begin_run,
        settings,
        flow_run_id=run_id,
        flow_name=FLOW_NAME,
        gallery_id=gallery_id,
        requested_at=this_run.scheduled_start_time,
    )
    patiently(settings, begin)
    with open_rebuild(settings, gallery_id=gallery_id, style=style, flow_run_id=run_id) as rebuild:
        due = patiently(settings, partial(steps.count, rebuild)).due
        name = f"rebuild {gallery_id or 'all galleries'}" + (f", {style}" if style else "")
        runs.name_run(run_id, this_run.name, runs.run_name(name, due))
        rebuild.decoders.warm_up(due)
        report = _rebuild(rebuild, RunProgress(f"rebuild-{gallery_id or 'all'}", due))
    end = partial(maintenance.end_run, settings, run_id, report.state, report.message, report.counts())
    patiently(settings, end)
    # What is done is written; the server, should it be away just now, is to hear of it.
    runs.wait_until_reachable()
    publish_summary(
        report.problem_rows(),
        report.to_markdown,
        problems_key=f"problems-rebuild-{gallery_id or 'all'}",
        summary_key=f"rebuild-{gallery_id or 'all'}",
        message=report.message,
    )
    return final_state(report.state, report.message)


def _rebuild(rebuild: Rebuild, progress: RunProgress) -> RebuildReport:
    """Map the images, window by window, so that disk, memory and futures stay bounded."""
    settings = rebuild.settings
    report = RebuildReport()
    window = patiently(settings, partial(steps.next_window, rebuild, None))
    while window:
        results = rebuild_window(rebuild, window)
        receipts = [result for result in results if isinstance(result, RebuildReceipt)]
        for result in results:
            report.add(result)
            if isinstance(result, RebuildProblem):
                _log_problem(result)
        report.deleted += _clean_up(rebuild, receipts)
        progress.advance(len(window))
        collect_now_and_then()
        window = patiently(settings, partial(steps.next_window, rebuild, window[-1]))
    report.busy = patiently(settings, partial(steps.count, rebuild)).busy
    return report


def _clean_up(rebuild: Rebuild, receipts: list[RebuildReceipt]) -> int:
    try:
        return patiently(rebuild.settings, partial(steps.clean_up, rebuild, receipts))
    except TransientError as error:
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
