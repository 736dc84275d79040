"""What the routes share: settings, database, storage, background workers."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from functools import cached_property
from uuid import UUID

from fastapi import Request
from sqlalchemy import text
from sqlalchemy.orm import Session

from gallery import runs
from gallery.api.background.callbacks import alert_sender, callback_sender
from gallery.api.background.deleter import deleter
from gallery.api.background.reconciler import reconciler
from gallery.api.background.starter import starter
from gallery.api.background.watch import watcher
from gallery.api.rate_limit import RateLimit
from gallery.api.readiness import Readiness
from gallery.catalogue.connect import connect, transaction
from gallery.errors import ConfigurationError
from gallery.imaging.styles_file import load_recipe
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from gallery.storage.sns import SnsMessages

# As many as FastAPI's own threads serve at once, within reason for a server of 100 connections.
CONNECTIONS = 16


class Services:
    """Opened once a process, closed at its end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rate_limit = RateLimit(settings.rate_limit)
        self.engine = connect(settings, application="gallery-api", connections=CONNECTIONS)
        self.storage = Storage(settings)
        self.sns = SnsMessages(settings.sns_topics)
        self.readiness = Readiness(
            {"database": self._ask_database, "storage": self.storage.reachable, "prefect": runs.check_reachable}
        )
        self.starter = starter(self.engine)
        self.reconciler = reconciler(self.engine, self.storage, self.starter)
        self.deleter = deleter(self.engine, self.storage)
        self.callbacks = callback_sender(self.engine, settings)
        self.alerts = alert_sender(self.engine, settings)
        watch = watcher(self.engine, self.starter, settings.start_minutes)
        self._workers = (self.starter, self.reconciler, self.deleter, self.callbacks, self.alerts, watch)

    def start(self) -> None:
        """Begin the work in the background."""
        for worker in self._workers:
            worker.start()

    def transaction(self) -> AbstractContextManager[Session]:
        """One transaction in the catalogue."""
        return transaction(self.engine)

    @cached_property
    def recipe_id(self) -> str | None:
        """The recipe of these settings; `None` where the styles file, which only workers need, cannot be read."""
        with suppress(ConfigurationError):
            return load_recipe(self.settings).recipe_id
        return None

    def _ask_database(self) -> None:
        with self.transaction() as session:
            session.execute(text("SELECT 1 FROM gallery.uploads LIMIT 1"))

    def flow_run_url(self, flow_run_id: UUID | None) -> str | None:
        """Where to look at a run."""
        return runs.flow_run_url(flow_run_id)

    def close(self) -> None:
        """Stop the workers and close all connections."""
        for worker in self._workers:
            worker.finish()
        for worker in self._workers:
            worker.stop()
        self.storage.close()
        self.engine.dispose()


def services_of(request: Request) -> Services:
    """The process's services."""
    services: Services = request.app.state.services
    return services
