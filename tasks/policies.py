"""What the stages' tasks share: when a retry makes sense, and what makes two process results the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from gallery.errors import TransientError
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage
from gallery.settings import CACHE_DAYS, Settings

CACHE_EXPIRATION = timedelta(days=CACHE_DAYS)


def is_transient(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """A retry may help only where the surroundings were at fault, never where the file was."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def retry_options(settings: Settings) -> dict[str, Any]:
    """Task options: how often a transient error is retried, with growing, jittered pauses."""
    if settings.retries == 0:
        return {"retries": 0}
    pauses = exponential_backoff(settings.retry_delay_seconds)(settings.retries)
    return {
        "retries": settings.retries,
        "retry_delay_seconds": pauses,
        "retry_jitter_factor": 0.5,
        "retry_condition_fn": is_transient,
    }


def process_cache_key(_context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Content, recipe and destination: the same for a retry of the same entry, and for nothing else.

    Plain strings, not Prefect's hash of all inputs: that falls back silently where something cannot be hashed
    (PrefectHQ/prefect#15861). The recipe's fingerprint covers the processing code's version.
    """
    workspace: Workspace = parameters["workspace"]
    image: DownloadedImage = parameters["image"]
    return workspace.keys_of(image.entry).result_path(image.sha256, workspace.recipe.recipe_id)
