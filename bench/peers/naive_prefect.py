"""Prefect as its first tutorial has it: four maps chained by their futures, every setting at its default.

The same stages, and the same Prefect server, which the local stack has tuned already
(`gallery.local.parts.prefect_settings`): with the server's own defaults it would cost more still.
"""

from __future__ import annotations

from prefect import flow, task

from bench.peers.arguments import finish, plan, staged_upload
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace, open_workspace
from gallery.models import DownloadedImage, Entry, ProcessedImage, SaveReceipt
from gallery.settings import load_settings

# Not an argument of the tasks: by default Prefect hashes these for its cache, and connections have no hash.
_workspaces: list[Workspace] = []


@task
def download(entry: Entry) -> DownloadedImage:
    """Stage 1."""
    return stages.download(_workspaces[0], entry)


@task
def process(image: DownloadedImage) -> ProcessedImage:
    """Stage 2."""
    processed = stages.process(_workspaces[0], image)
    image.path.unlink()
    return processed


@task
def save(entry: Entry, image: ProcessedImage) -> SaveReceipt:
    """Stage 3."""
    return stages.save(_workspaces[0], entry, image)


@task
def cleanup(receipt: SaveReceipt) -> int:
    """Stage 4."""
    return stages.cleanup(_workspaces[0], receipt)


@flow
def naive_prefect(gallery_id: str, upload_id: str) -> None:
    """Ingest an upload."""
    with open_workspace(load_settings(), gallery_id=gallery_id, upload_id=upload_id, flow_run_id=None) as workspace:
        _workspaces.append(workspace)
        entries = plan(workspace)
        images = download.map(entries)
        processed = process.map(images)
        receipts = save.map(entries, processed)
        cleanup.map(receipts).wait()
        finish(workspace)


if __name__ == "__main__":
    naive_prefect(*staged_upload())
