"""Stage 2: a downloaded image to renditions in the library."""

from __future__ import annotations

from prefect import task

from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import DownloadedImage, ProcessedImage
from tasks.policies import CACHE_EXPIRATION, process_cache_key


# JSON, not pickle: whoever can write to the bucket must not be able to run code in a worker.
@task(
    task_run_name="process {image.entry.file_name}",
    persist_result=True,
    result_serializer="json",
    cache_key_fn=process_cache_key,
    cache_expiration=CACHE_EXPIRATION,
    # Prefect would keep a run's last thousand results, 8 KB each; a retry is another process and reads the stored ones.
    cache_result_in_memory=False,
)
def process(workspace: Workspace, image: DownloadedImage) -> ProcessedImage:
    """Make all renditions of an image and put them into the library; cached by content, recipe, destination."""
    return stages.process(workspace, image)
