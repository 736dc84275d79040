"""The ingest of one upload: plan, windows of four maps, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.concurrency.sync import concurrency
from prefect.flows import Flow
from prefect.runtime import flow_run as this_run
from pydantic import Field

from gallery import runs
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace, open_workspace
from gallery.models import DownloadedImage, Entry, EntryProblem, SaveReceipt
from gallery.names import GALLERY_ID, UPLOAD_ID
from gallery.retrying import retry
from gallery.settings import load_settings
from tasks.artifacts import RunProgress, publish
from tasks.maps import ProcessMap, Settled, StageMap, StageMaps
from tasks.states import final_state
from tasks.tuning import tune_process

# After a SIGKILL, how long its slot stays taken, in seconds; a run that lives renews it at three quarters of that.
LEASE_SECONDS = 60
# Images of a run's first window.
FIRST_WINDOW = 8


def _write_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell the catalogue of an end that the flow itself could not write; a written end stays."""
    stages.end_run(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")


# No persisted result: with one, the server refuses to retry a completed run ("already COMPLETED").
@flow(
    name="ingest-gallery",
    persist_result=False,
    on_cancellation=[_write_end],
    on_crashed=[_write_end],
    on_failure=[_write_end],
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
    with (
        # One slot a run, never one a task: a limited task run costs seven times a plain one.
        concurrency(
            runs.LIMIT_NAME,
            occupy=1,
            strict=True,
            lease_duration=LEASE_SECONDS,
            raise_on_lease_renewal_failure=False,
        ),
        open_workspace(
            settings,
            gallery_id=gallery_id,
            upload_id=upload_id,
            flow_run_id=run_id,
            force=force,
            scheduled_at=this_run.scheduled_start_time,
        ) as workspace,
    ):
        runs.name_run(run_id, this_run.name, runs.run_name(gallery_id, workspace.attempt.image_count))
        plan = retry(settings, lambda: stages.plan(workspace))
        get_run_logger().info(
            "Upload %s, attempt %d: %d of %d images to do, %d settled without a download",
            workspace.attempt.upload_id,
            workspace.attempt.number,
            len(plan.todo),
            workspace.attempt.image_count,
            plan.settled,
        )
        workspace.decoders.warm_up(len(plan.todo))
        problems = [*plan.problems, *_ingest(workspace, plan.todo)]
        found_work = bool(plan.todo or plan.problems or plan.settled)
        report = retry(settings, lambda: stages.report(workspace, problems, found_work=found_work))
        # What is done is written; the server, should it be away just now, is to hear of it.
        runs.wait_until_reachable()
        publish(report, workspace.attempt)
    return final_state(report.state, report.message)


def _ingest(workspace: Workspace, todo: Sequence[Entry]) -> list[EntryProblem]:
    """Map the four stages over `todo`, window by window, so that disk, memory and futures stay bounded."""
    settings = workspace.settings
    windows = split(todo, settings.window)
    problems: list[EntryProblem] = []
    total = workspace.attempt.image_count
    progress = RunProgress(workspace.attempt.gallery_id, total, done=total - len(todo))
    with StageMaps(workspace) as stage:

        def process(downloads: StageMap[DownloadedImage]) -> Callable[[], Callable[[], None]]:
            arrived = downloads.settle()
            images = [image for _, image in arrived.results]
            changed = retry(settings, partial(stages.settle_unchanged, workspace, images))
            return partial(save, arrived, stage.process(changed))

        def save(arrived: Settled[DownloadedImage], processing: ProcessMap) -> Callable[[], None]:
            processed = processing.settle()
            lost = [*arrived.problems, *processed.problems]
            return partial(finish, stage.save(processed.results), lost, len(arrived.results) + len(arrived.problems))

        def finish(saves: StageMap[SaveReceipt], lost: list[EntryProblem], images: int) -> None:
            saved = saves.settle()
            cleaned = stage.cleanup(saved.results).settle()
            lost += saved.problems
            retry(settings, partial(stages.write_problems, workspace, [*lost, *cleaned.problems]))
            _log_problems([*lost, *cleaned.problems])
            problems.extend(lost)
            progress.advance(images)
            stage.forget()

        # Windows overlap, so that neither the network nor the processors wait: while one is processed, the next arrives
        # and queues behind it, and the one before is saved.
        downloads = stage.download(windows[0] if windows else [])
        save_former: Callable[[], Callable[[], None]] | None = None
        finish_former: Callable[[], None] | None = None
        for following in [*windows[1:], []]:
            save_this = process(downloads)
            if finish_former is not None:
                finish_former()
            if save_former is not None:
                finish_former = save_former()
            # Not before: the scratch disk holds the originals of two windows.
            downloads = stage.download(following)
            save_former = save_this
        if finish_former is not None:
            finish_former()
        if save_former is not None:
            save_former()()
    return problems


def split(todo: Sequence[Entry], largest: int) -> list[Sequence[Entry]]:
    """Windows of 8, 16, 32 ... and at last `largest` entries: the first images are to be seen within seconds."""
    windows: list[Sequence[Entry]] = []
    start, size = 0, min(FIRST_WINDOW, largest)
    while start < len(todo):
        windows.append(todo[start : start + size])
        start += size
        size = min(2 * size, largest)
    return windows


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
