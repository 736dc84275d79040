"""The lease of a process on what it has claimed: renewed on progress, so that one that is stuck loses it."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock

from sqlalchemy import Engine

from gallery.catalogue.claims import renew_lease
from gallery.catalogue.connect import transaction
from gallery.errors import TransientError
from gallery.models import Attempt

# Seconds between renewals, so also until a process that makes progress learns that its attempt has ended.
RENEW_EVERY = 5.0


class Lease:
    """Keeps what the owner of `attempt` has claimed its own, as long as there is progress. Safe to use from threads."""

    def __init__(self, engine: Engine, attempt: Attempt) -> None:
        self._engine, self._attempt = engine, attempt
        self._lock = Lock()
        self._due = time.monotonic() + RENEW_EVERY

    def progress(self) -> None:
        """Note that an image is through a stage: renews the lease, if it is some seconds old. Raises `StaleAttempt`."""
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + RENEW_EVERY
        # Without an answer, the next progress tries again; a renewal is worth no image.
        with suppress(TransientError), transaction(self._engine) as session:
            renew_lease(session, self._attempt)
