"""The four stages as Celery tasks, each process with connections of its own, which it opens once.

Written as Celery's documentation advises: small JSON messages, results kept of the last task only, nothing fetched
ahead, and the later stages of an image before the first one of the next, so that the disk does not fill.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import worker_process_shutdown

from bench.peers.single_process import open_for
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import Attempt, Deletion, DownloadedImage, Entry, ProcessedImage, SaveReceipt
from gallery.settings import load_settings

URL = os.environ["BENCH_REDIS_URL"]

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_ignore_result=True,
    task_store_errors_even_if_ignored=True,
    worker_prefetch_multiplier=1,
    # Of Redis's transport, where 0 comes first.
    broker_transport_options={"queue_order_strategy": "priority", "priority_steps": [0, 1, 2, 3]},
)

_open = ExitStack()


@cache
def _workspace(attempt: str) -> Workspace:
    given = json.loads(attempt)
    known = Attempt(**{**given, "owner": UUID(given["owner"])})
    return _open.enter_context(open_for(load_settings(), known))


@worker_process_shutdown.connect
def _end(**_: object) -> None:
    _open.close()


@app.task(priority=3)
def download(attempt: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Stage 1. What it returns goes to the next stage, and so on."""
    image = stages.download(_workspace(attempt), Entry(**entry))
    message = {"attempt": attempt, "entry": entry}
    return {**message, "path": str(image.path), "sha256": image.sha256}


@app.task(priority=2)
def process(message: dict[str, Any]) -> dict[str, Any]:
    """Stage 2."""
    entry, path = Entry(**message["entry"]), Path(message["path"])
    image = DownloadedImage(entry, path, message["sha256"])
    processed = stages.process(_workspace(message["attempt"]), image)
    path.unlink()
    return {**message, "image": processed.model_dump(mode="json")}


@app.task(priority=1)
def save(message: dict[str, Any]) -> dict[str, Any]:
    """Stage 3."""
    image = ProcessedImage.model_validate(message["image"])
    receipt = stages.save(_workspace(message["attempt"]), Entry(**message["entry"]), image)
    return {"attempt": message["attempt"], "receipt": asdict(receipt)}


@app.task(priority=0, ignore_result=False)
def cleanup(message: dict[str, Any]) -> int:
    """Stage 4."""
    deletions = tuple(Deletion(**deletion) for deletion in message["receipt"]["deletions"])
    receipt = SaveReceipt(**{**message["receipt"], "deletions": deletions})
    return stages.cleanup(_workspace(message["attempt"]), receipt)
