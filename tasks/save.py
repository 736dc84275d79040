"""Stage 3: an original and its renditions become the image's current version."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import Entry, ProcessedImage, SaveReceipt


@task(task_run_name="save {entry.file_name}", cache_policy=NO_CACHE, persist_result=False)
def save(workspace: Workspace, entry: Entry, image: ProcessedImage) -> SaveReceipt:
    """Copy the original into the library and commit the version, with the list of what is superfluous now."""
    return stages.save(workspace, entry, image)
