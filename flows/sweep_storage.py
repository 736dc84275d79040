"""The sweep of both buckets, the outbox and this machine's scratch folder."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run
from prefect.states import Completed
from pydantic import Field

from gallery import runs
from gallery.errors import GalleryError, PrefectUnavailable
from gallery.settings import CACHE_DAYS, load_settings
from gallery.sweep.run import sweep
from tasks.hooks import write_upkeep_end
from tasks.logs import set_up_logs
from tasks.states import failed_by
from tasks.upkeep import upkeep_run

FLOW_NAME = "sweep-storage"
# The form's titles. As extras, for Prefect sets each field's own title to the parameter's name.
DryRun = Annotated[bool, Field(json_schema_extra={"title": "Dry run"})]
GraceDays = Annotated[int | None, Field(ge=CACHE_DAYS, le=3650, json_schema_extra={"title": "Grace in days"})]


@flow(
    name=FLOW_NAME,
    persist_result=False,
    on_cancellation=[write_upkeep_end],
    on_crashed=[write_upkeep_end],
    on_failure=[write_upkeep_end],
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
    set_up_logs()
    settings = load_settings()
    run_id = UUID(this_run.id)
    runs.name_run(run_id, this_run.name, "sweep, dry run" if dry_run else "sweep")
    if (other := _replacement(run_id)) is not None:
        return Completed(name="Skipped", message=f"Nothing to do: {other}")
    try:
        with upkeep_run(settings, FLOW_NAME, artifact_key=FLOW_NAME) as run:
            findings = sweep(settings, dry_run=dry_run, grace_days=grace_days, upkeep=run.attempt)
            if findings.total.count or not findings.is_whole:
                get_run_logger().log(logging.INFO if findings.is_whole else logging.WARNING, "%s", findings.message)
            run.report = findings
    except GalleryError as error:
        return failed_by(error)
    return run.final_state


def _replacement(run_id: UUID) -> str | None:
    # To ask is only a saving: two sweeps at the same time do no harm.
    with suppress(PrefectUnavailable):
        return runs.sweep_that_replaces(run_id)
    return None
