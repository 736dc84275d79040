"""Completes open uploads whose files have all arrived, and expires those that never will be whole."""

from __future__ import annotations

import logging

from sqlalchemy import Engine

from gallery.api.background.worker import Worker
from gallery.catalogue import arrivals
from gallery.catalogue.connect import transaction
from gallery.storage.keys import upload_prefix
from gallery.storage.s3 import Storage

log = logging.getLogger("gallery.api")


def reconciler(engine: Engine, storage: Storage, starts: Worker) -> Worker:
    """Completes open uploads whose files have all arrived, and expires those that never will be whole."""

    def step() -> bool:
        with transaction(engine) as session:
            due = arrivals.claim_open(session)
        if not due:
            return False
        upload = due[0]
        staged = {item.key: item for item in storage.list_staged(upload_prefix(upload.gallery_id, upload.upload_id))}
        with transaction(engine) as session:
            state = arrivals.settle_open(session, upload.upload_id, staged)
        if state == "accepted":
            starts.wake()
        if state != "open":
            log.info("upload %s: %s", upload.upload_id, state, extra={"upload_id": upload.upload_id})
        return True

    return Worker("reconciler of open uploads", step)
