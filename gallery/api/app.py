"""Puts the API together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from gallery.api import uploads, webhooks
from gallery.api.problems import add_problem_handlers
from gallery.api.services import Services, services_of
from gallery.errors import TransientError
from gallery.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The API for these settings; opens its connections when it starts and closes them when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings)
        app.state.services, app.state.settings = services, settings
        services.starter.start()
        yield
        services.close()

    app = FastAPI(title="Gallery ingest", version="1", lifespan=lifespan)
    add_problem_handlers(app)
    app.include_router(uploads.router)
    app.include_router(webhooks.router)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz(request: Request) -> JSONResponse:
        """Database and storage answer; 503 that names the one that does not."""
        missing = _missing(services_of(request))
        return JSONResponse({"status": "unavailable" if missing else "ok", "missing": missing}, 503 if missing else 200)

    return app


def _missing(services: Services) -> list[str]:
    missing = []
    try:
        with services.transaction() as session:
            session.connection().exec_driver_sql("SELECT 1 FROM gallery.uploads LIMIT 1")
    except TransientError:
        missing.append("database")
    try:
        services.storage.reachable()
    except TransientError:
        missing.append("storage")
    return missing
