"""The ingest of one upload: plan, windows of four maps, report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.concurrency.sync import concurrency
from prefect.flows import Flow
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed

from gallery import runs, stages
from gallery.models import Entry, Problem
from gallery.report import RunReport, markdown_summary, problem_rows
from gallery.settings import load_settings
from gallery.workspace import Workspace, open_workspace
from tasks.maps import StageMaps


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
def ingest_gallery(gallery_id: str, upload_id: str | None = None, force: bool = False) -> State[Any]:
    """Ingest an upload of a gallery: download, process, save and clean up each of its images.

    A run, first or repeated, works only on entries that are not done.

    Args:
        gallery_id: The gallery, for example summer-wedding.
        upload_id: The upload; left empty, the gallery's latest.
        force: Redo also what has an outcome already.
    """
    settings = load_settings()
    run_id = UUID(this_run.id)
    with (
        # One slot a run, never one a task: a limited task run costs seven times a plain one.
        concurrency(runs.LIMIT_NAME, occupy=1, strict=True, raise_on_lease_renewal_failure=False),
        open_workspace(
            settings, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=run_id, force=force
        ) as workspace,
    ):
        runs.name_run(run_id, this_run.name, runs.run_name(gallery_id, workspace.attempt.image_count))
        plan = stages.plan(workspace)
        get_run_logger().info(
            "Upload %s, attempt %d: %d of %d images to do, %d settled without a download",
            workspace.attempt.upload_id,
            workspace.attempt.number,
            len(plan.todo),
            workspace.attempt.image_count,
            plan.settled,
        )
        problems = [*plan.problems, *_ingest(workspace, plan.todo)]
        found_work = bool(plan.todo or plan.problems or plan.settled)
        report = stages.report(workspace, problems, found_work=found_work)
        _publish(workspace, report)
    return _final_state(report)


def _ingest(workspace: Workspace, todo: Sequence[Entry]) -> list[Problem]:
    """Map the four stages over `todo`, window by window, so that disk, memory and futures stay bounded."""
    size = workspace.settings.window
    windows = [todo[start : start + size] for start in range(0, len(todo), size)]
    problems: list[Problem] = []
    with StageMaps(workspace) as stage:
        downloads = stage.download(windows[0] if windows else [])
        for following in [*windows[1:], []]:
            arrived = downloads.settle()
            # The next window arrives while this one is processed: neither network nor processors wait.
            downloads = stage.download(following)
            changed = stages.settle_unchanged(workspace, [image for _, image in arrived.results])
            processed = stage.process(changed)
            saved = stage.save(processed.results)
            cleaned = stage.cleanup(saved.results)
            lost = [*arrived.problems, *processed.problems, *saved.problems]
            stages.write_problems(workspace, lost)
            _log_problems([*lost, *cleaned.problems])
            problems += lost
    return problems


def _log_problems(problems: Sequence[Problem]) -> None:
    for problem in problems:
        get_run_logger().warning(
            "%s: %s in %s, %s: %s",
            problem.file_name,
            problem.outcome if problem.stage != "cleanup" else "left to the sweep",
            problem.stage,
            problem.reason,
            problem.message,
        )


def _publish(workspace: Workspace, report: RunReport) -> None:
    gallery_id = workspace.attempt.gallery_id
    create_markdown_artifact(
        markdown_summary(report, gallery_id, workspace.attempt.upload_id),
        key=f"gallery-{gallery_id}",
        description=report.message,
    )
    if report.problems:
        create_table_artifact(
            problem_rows(report.problems),
            key=f"problems-{gallery_id}",
            description="What was rejected or failed, and why",
        )


def _final_state(report: RunReport) -> State[Any]:
    if report.state == "failed":
        return Failed(message=report.message)
    if report.state == "completed_with_rejects":
        return Completed(name="Completed with rejects", message=report.message)
    return Completed(message=report.message)
