"""Stage 4: what a committed save made superfluous is deleted. Mapped over receipts of successful saves only."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import SaveReceipt


@task(task_run_name="cleanup {receipt.file_name}", cache_policy=NO_CACHE, persist_result=False)
def cleanup(workspace: Workspace, receipt: SaveReceipt) -> int:
    """Delete the objects that a receipt lists, idempotently; returns how many."""
    return stages.cleanup(workspace, receipt)
