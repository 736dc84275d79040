"""Deletes the objects of images and galleries that callers have deleted."""

from __future__ import annotations

from sqlalchemy import Engine

from gallery.api.background.worker import Worker
from gallery.catalogue import outbox
from gallery.catalogue.connect import transaction
from gallery.storage.s3 import Storage


def deleter(engine: Engine, storage: Storage) -> Worker:
    """A worker that deletes them."""

    def step() -> bool:
        with transaction(engine) as session:
            due = outbox.claim_requested(session)
        if not due:
            return False
        with transaction(engine) as session:
            left = outbox.still_to_do(session, due)
        deleted = storage.delete(left)
        with transaction(engine) as session:
            outbox.note_deleted(session, deleted)
        deleted.raise_left()
        return True

    return Worker("deletions", step)
