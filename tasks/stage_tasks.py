"""The tasks of the four stages as one run uses them: with its retry policy, result storage and cache policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from prefect import Task

from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, ProcessedImage, SaveReceipt
from tasks.cleanup import cleanup
from tasks.download import download
from tasks.policies import retry_options
from tasks.process import process
from tasks.result_storage import BLOCK_NAME, LibraryResultStorage
from tasks.save import save


@dataclass(frozen=True)
class StageTasks:
    """`process_past_cache` makes renditions again, whatever the cache has."""

    download: Task[..., DownloadedImage]
    process: Task[..., ProcessedImage]
    process_past_cache: Task[..., ProcessedImage]
    save: Task[..., SaveReceipt]
    cleanup: Task[..., int]


def stage_tasks(workspace: Workspace) -> StageTasks:
    """The tasks of an attempt. Reads the result storage's block from Prefect's API."""
    options = retry_options(workspace.settings)
    # A loaded block: given by name, it would cost every task run two requests.
    results = cast(LibraryResultStorage, LibraryResultStorage.load(BLOCK_NAME))
    # The cache's keys are this upload's own: its first attempt need not look, a request per image.
    past_cache = workspace.attempt.force or workspace.attempt.number == 1
    return StageTasks(
        download=download.with_options(**options),
        process=process.with_options(**options, result_storage=results, refresh_cache=past_cache),
        process_past_cache=process.with_options(**options, result_storage=results, refresh_cache=True),
        save=save.with_options(**options),
        cleanup=cleanup.with_options(**options),
    )
