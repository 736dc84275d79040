"""What the routes share: settings, database, storage, the starter of runs."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager
from uuid import UUID

from fastapi import Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gallery import runs
from gallery.catalogue import uploads
from gallery.catalogue.connect import connect, transaction
from gallery.errors import PrefectUnavailable, TransientError
from gallery.settings import Settings
from gallery.storage import Storage

log = logging.getLogger("gallery.api")
# Seconds between looks for accepted uploads without a run; a wake-up makes the usual case prompt.
RECONCILE_EVERY = 2.0
# As many as FastAPI's own threads serve at once, within reason for a server of 100 connections.
CONNECTIONS = 16


class Services:
    """Opened once a process, closed at its end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = connect(settings, application="gallery-api", connections=CONNECTIONS)
        self.storage = Storage(settings)
        self.starter = Starter(self.engine)

    def transaction(self) -> AbstractContextManager[Session]:
        """One transaction in the catalogue."""
        return transaction(self.engine)

    def flow_run_url(self, flow_run_id: UUID | None) -> str | None:
        """Where to look at a run."""
        return runs.flow_run_url(flow_run_id)

    def close(self) -> None:
        """Stop the starter and close all connections."""
        self.starter.stop()
        self.storage.close()
        self.engine.dispose()


class Starter:
    """A thread that starts the runs of accepted uploads: at once when woken, and whatever is left, again and again.

    It works from what is stored, so that it does not matter who accepted the upload, whether that process still
    lives, or whether Prefect answered then.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="starter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: something was accepted."""
        self._wake.set()

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        prefect = runs.RunStarter()
        while not self._stopping.is_set():
            self._wake.wait(RECONCILE_EVERY)
            self._wake.clear()
            try:
                self._start_due(prefect)
            except (PrefectUnavailable, TransientError) as error:
                log.warning("runs cannot be started just now: %s", error)
            except Exception:
                # This thread must outlive any defect: without it nothing starts.
                log.exception("the starter met an unexpected error and goes on")
        prefect.close()

    def _start_due(self, prefect: runs.RunStarter) -> None:
        while not self._stopping.is_set():
            with transaction(self._engine) as session:
                due = uploads.claim_due_starts(session, limit=1)
            if not due:
                return
            flow_run_id = prefect.start(due[0])
            with transaction(self._engine) as session:
                uploads.started(session, due[0].upload_id, flow_run_id)
            log.info("upload %s: run %s", due[0].upload_id, flow_run_id)


def services_of(request: Request) -> Services:
    """The process's services."""
    services: Services = request.app.state.services
    return services
