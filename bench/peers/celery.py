"""Celery with Redis: a chain of four tasks for each image, in as many prefork processes as there are processors.

These processes do what the pipeline's decoder subprocesses do, without their bounds on memory and time. Celery keeps
no history of its tasks and offers no way to retry a gallery; what it costs is what a queue costs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from bench.measuring import wait_until
from bench.peers.arguments import finish, plan, staged_upload
from bench.peers.celery_app import app, cleanup, download, process, save
from bench.peers.single_process import begin, open_for
from gallery.settings import load_settings

# Seconds for an image, however many are before it; a task that is lost would be waited for without end.
LONGEST_RUN = 3600
START_SECONDS = 60


def main() -> None:
    gallery_id, upload_id = staged_upload()
    settings = load_settings()
    pool = ["--pool", "prefork", "--concurrency", str(settings.processors), "--loglevel", "WARNING"]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "--app", "bench.peers.celery_app", "worker", *pool, *alone]
    )
    try:
        # Elsewhere it would run all the time: the upload's attempt begins when it is there.
        wait_until(lambda: bool(app.control.ping(timeout=0.2)), START_SECONDS, "the Celery worker")
        attempt = begin(settings, gallery_id, upload_id)
        with open_for(settings, attempt) as workspace:
            said = json.dumps(asdict(attempt), default=str)
            chains = [
                (download.s(said, asdict(entry)) | process.s() | save.s() | cleanup.s()).apply_async()
                for entry in plan(workspace)
            ]
            for chain in chains:
                chain.get(timeout=LONGEST_RUN)
            finish(workspace)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
