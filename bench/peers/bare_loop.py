"""The same stages in a pool of threads, with the same decoder subprocesses and no orchestration: the base of ratios.

No retries, no states, no history but the catalogue's; one thread takes an image through all four stages.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bench.peers.arguments import finish, plan, staged_upload
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace, open_workspace
from gallery.models import Entry
from gallery.settings import load_settings


def ingest(workspace: Workspace, entry: Entry) -> None:
    """Take one image through all four stages."""
    image = stages.download(workspace, entry)
    processed = stages.process(workspace, image)
    image.path.unlink()
    receipt = stages.save(workspace, entry, processed)
    stages.cleanup(workspace, receipt)


def main() -> None:
    gallery_id, upload_id = staged_upload()
    settings = load_settings()
    with open_workspace(settings, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=None) as workspace:
        todo = plan(workspace)
        with ThreadPoolExecutor(settings.connections) as threads:
            # A list, so that the first error is raised.
            list(threads.map(lambda entry: ingest(workspace, entry), todo))
        finish(workspace)


if __name__ == "__main__":
    main()
