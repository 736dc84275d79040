"""Stage 1: a staged file to this machine's disk."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, Entry


# Not cached: a path on one machine's disk is not a result.
@task(task_run_name="download {entry.file_name}", cache_policy=NO_CACHE, persist_result=False)
def download(workspace: Workspace, entry: Entry) -> DownloadedImage:
    """Stream the staged file, only while its ETag is the pinned one, to the scratch folder."""
    return stages.download(workspace, entry)
