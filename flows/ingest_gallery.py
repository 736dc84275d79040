"""The ingest of one upload: plan, windows of four maps, report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run
from pydantic import Field

from gallery import runs
from gallery.errors import GalleryError, StaleAttempt, TransientError
from gallery.ingest import stages
from gallery.ingest.report import RunReport
from gallery.ingest.workspace import Workspace, open_workspace
from gallery.models import EntryProblem
from gallery.names import GALLERY_ID, UPLOAD_ID
from gallery.retrying import retry
from gallery.settings import load_settings
from tasks.artifacts import RunProgress, publish
from tasks.forgetting import FormerResults
from tasks.hooks import write_ingest_end
from tasks.maps import StageMaps
from tasks.stage_tasks import stage_tasks
from tasks.stale import end_stale_run
from tasks.states import failed_by, final_state
from tasks.tuning import collect_garbage, tune_process
from tasks.windows import claimed, overlapped, window_sizes

# Seconds between looks at what other processes of the attempt have left.
OTHERS_EVERY = 1.0


# No persisted result: with one, the server refuses to retry a completed run ("already COMPLETED").
@flow(
    name="ingest-gallery",
    persist_result=False,
    on_cancellation=[write_ingest_end],
    on_crashed=[write_ingest_end],
    on_failure=[write_ingest_end],
)
def ingest_gallery(
    # Prefect's form takes descriptions from the docstring, and a title only from `json_schema_extra`.
    gallery_id: Annotated[
        str,
        Field(pattern=f"^{GALLERY_ID.pattern}$", examples=["summer-wedding"], json_schema_extra={"title": "Gallery"}),
    ],
    upload_id: Annotated[
        Annotated[str, Field(pattern=f"^{UPLOAD_ID.pattern}$")] | None,
        Field(json_schema_extra={"title": "Upload"}),
    ] = None,
    force: Annotated[bool, Field(json_schema_extra={"title": "Redo everything"})] = False,
) -> State[Any]:
    """Ingest an upload of a gallery: download, process, save and clean up each of its images.

    A run, first or repeated, works only on entries that are not done.

    Args:
        gallery_id: The gallery's id, for example summer-wedding.
        upload_id: The upload's id. Left empty: the latest upload of the gallery.
        force: Redo also the images that have an outcome already, past the cache. An image that a later upload has
            brought stays as it is.
    """
    tune_process()
    settings = load_settings()
    run_id = UUID(this_run.id)
    try:
        with open_workspace(
            settings,
            gallery_id=gallery_id,
            upload_id=upload_id,
            flow_run_id=run_id,
            force=force,
            scheduled_at=this_run.scheduled_start_time,
            is_first_of_api=runs.STARTED_BY_API in this_run.tags and this_run.run_count == 1,
        ) as workspace:
            attempt = workspace.attempt
            runs.name_run(run_id, this_run.name, runs.run_name(attempt.gallery_id, attempt.image_count))
            report = _report_of(workspace)
            # What is done is written; the server, should it be away just now, is to hear of it.
            runs.wait_until_reachable()
            publish(report, attempt)
    except StaleAttempt as error:
        return end_stale_run(settings, run_id, error)
    except GalleryError as error:
        if not (this_run.name or "").startswith(f"{gallery_id} "):
            runs.name_run(run_id, this_run.name, gallery_id)
        return failed_by(error)
    return final_state(report.state, report.message)


def _report_of(workspace: Workspace) -> RunReport:
    """Do the attempt's work; how it went."""
    try:
        return _ingest_upload(workspace)
    except TransientError as error:
        return stages.give_up(workspace, error)


def _ingest_upload(workspace: Workspace) -> RunReport:
    """Plan, take what is to do through the stages, and report."""
    settings, attempt = workspace.settings, workspace.attempt
    plan = retry(settings, partial(stages.plan, workspace))
    get_run_logger().info(
        "Upload %s, attempt %d: %d of %d images to do, %d settled without a download",
        attempt.upload_id,
        attempt.number,
        plan.todo,
        attempt.image_count,
        plan.settled,
    )
    workspace.decoders.warm_up(plan.todo)
    take_through_stages(workspace, plan.todo)
    return retry(settings, partial(stages.report, workspace, found_work=plan.found_work))


def take_through_stages(workspace: Workspace, todo: int) -> None:
    """Take entries through the four stages, window by window, so that disk, memory and futures stay bounded.

    Ends once the attempt has nothing more to do: what other processes of it have claimed is waited for, and taken over
    where they are gone.
    """
    settings, attempt = workspace.settings, workspace.attempt
    progress = RunProgress(attempt.gallery_id, attempt.image_count, done=attempt.image_count - todo)
    if attempt.number > attempt.first_of_run:
        # Also where nothing is left to do: else the bar of the one before stands where that was killed.
        progress.advance(0)
    # A window's results are passed on while the two after it begin.
    former_results = FormerResults(windows=2)
    sizes = window_sizes(settings.window)
    with StageMaps(workspace, stage_tasks(workspace)) as maps:
        while retry(settings, partial(stages.count_unfinished, workspace)):
            waits = True
            for window in overlapped(claimed(workspace, maps, sizes)):
                waits = False
                retry(settings, partial(stages.write_problems, workspace, window.problems))
                _log_problems(window.problems)
                progress.advance(window.finished)
                former_results.forget()
                collect_garbage()
            if waits:
                time.sleep(OTHERS_EVERY)


def _log_problems(problems: Sequence[EntryProblem]) -> None:
    for problem in problems:
        get_run_logger().warning(
            "%s: %s in %s, %s: %s",
            problem.file_name,
            problem.outcome if problem.stage != "cleanup" else "left to the sweep",
            problem.stage,
            problem.reason,
            problem.message,
        )
