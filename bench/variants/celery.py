"""Celery with Redis: a chain of four tasks for each image, in as many prefork processes as there are processors.

These processes do what the pipeline's decoder subprocesses do, without their bounds on memory and time. Celery keeps
no history of its tasks and offers no way to retry a gallery; what it costs is what a queue costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

from bench.variants.arguments import finish, staged_upload
from bench.variants.single_process import begin, open_for
from gallery import stages
from gallery.settings import load_settings

# Seconds for an image, however many are before it; a task that is lost would be waited for without end.
PATIENCE = 3600
APP = "bench.variants.celery_app"


def main() -> None:
    gallery_id, upload_id = staged_upload()
    settings = load_settings()
    attempt = begin(settings, gallery_id, upload_id)
    pool = ["--pool", "prefork", "--concurrency", str(settings.processors), "--loglevel", "WARNING"]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "--app", APP, "worker", *pool, *alone],
        env={**os.environ, "BENCH_ATTEMPT": json.dumps(asdict(attempt))},
    )
    try:
        from bench.variants.celery_app import cleanup, download, process, save  # noqa: PLC0415 - while that starts

        with open_for(settings, attempt) as workspace:
            chains = [
                (download.s(asdict(entry)) | process.s() | save.s() | cleanup.s()).apply_async()
                for entry in stages.plan(workspace).todo
            ]
            for chain in chains:
                chain.get(timeout=PATIENCE)
            finish(workspace)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
