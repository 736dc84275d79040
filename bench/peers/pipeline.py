"""This project's own way: an upload through the API, and the flow run that the API starts for it."""

from __future__ import annotations

import time

from bench.measuring import PeakMemory, cpu_seconds, tree, wait_until
from bench.runs import Observed
from bench.servers import Servers
from bench.staging import StagedGallery
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_upload
from gallery.client.api import GalleryClient
from gallery.errors import GalleryError

RUN_SECONDS = 3600.0
END_SECONDS = 60.0


def observe(servers: Servers, client: GalleryClient, staged: StagedGallery) -> Observed:
    """Complete the upload, and follow its run until the last process of it has ended."""
    spent, idle = cpu_seconds(servers.worker), len(tree(servers.worker))
    with PeakMemory(servers.worker) as memory:
        client.complete(staged.upload_id)
        status = client.wait(staged.upload_id, lambda _: None, timeout=RUN_SECONDS)
        through = time.monotonic() - staged.began
        # The flow run publishes its artifacts yet; only what has ended is counted whole.
        wait_until(lambda: len(tree(servers.worker)) <= idle, END_SECONDS, "the flow run's process to end")
    if status.state != "completed":
        raise GalleryError(f"upload {staged.upload_id} is {status.state}: see {status.flow_run_url}")
    with transaction(servers.engine) as session:
        accepted_at = lock_upload(session, staged.upload_id).accepted_at
    assert accepted_at is not None
    return Observed(accepted_at, cpu_seconds(servers.worker) - spent, memory.mb, through)
