"""The sweep of both buckets, the outbox and this machine's scratch folder."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed
from pydantic import Field

from gallery import maintenance, runs
from gallery.models import UploadState
from gallery.settings import CACHE_DAYS, load_settings
from gallery.sweep.sweep import sweep

FLOW_NAME = "sweep-storage"
# The form's titles. As extras, for Prefect sets each field's own title to the parameter's name.
DryRun = Annotated[bool, Field(json_schema_extra={"title": "Dry run"})]
GraceDays = Annotated[int | None, Field(ge=CACHE_DAYS, le=3650, json_schema_extra={"title": "Grace in days"})]


def _write_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell the history of an end that the flow itself could not write; a written end stays."""
    maintenance.end_run(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")


@flow(
    name=FLOW_NAME,
    persist_result=False,
    on_cancellation=[_write_end],
    on_crashed=[_write_end],
    on_failure=[_write_end],
)
def sweep_storage(
    dry_run: DryRun = True,
    grace_days: GraceDays = None,
) -> State[Any]:
    """Find what nothing needs any more, and delete it unless it is a dry run.

    That is: objects of the library that no version refers to, cached results that have expired, deletions that are
    due, staged files that have expired, and scratch folders that a killed run left on the worker's machine. Never a
    file that a gallery shows, and nothing of an upload whose run is under way.

    Args:
        dry_run: Only find and report it. Switch it off to delete it.
        grace_days: Leave alone whatever was written within so many days. Empty: the worker's
            GALLERY_SWEEP_GRACE_DAYS; shorter than that it cannot be.
    """
    settings = load_settings()
    run_id = UUID(this_run.id)
    maintenance.begin_run(settings, flow_run_id=run_id, flow_name=FLOW_NAME, requested_at=this_run.scheduled_start_time)
    findings = sweep(settings, dry_run=dry_run, grace_days=grace_days)
    message = findings.message()
    if findings.total.count or not findings.is_whole:
        get_run_logger().log(logging.INFO if findings.is_whole else logging.WARNING, "%s", message)
    create_markdown_artifact(findings.to_markdown(), key=FLOW_NAME, description=message)
    state: UploadState = "completed" if findings.is_whole else "failed"
    maintenance.end_run(settings, run_id, state, message, findings.counts())
    return Completed(message=message) if findings.is_whole else Failed(message=message)
