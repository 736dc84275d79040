"""Puts the API together."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from gallery.api.metrics import Metrics
from gallery.api.middleware import RequestMiddleware
from gallery.api.problems import add_problem_handlers
from gallery.api.routes import comparing, health, images, operations, s3_notifications, upload_links, uploads, webhooks
from gallery.api.routes.page import add_page
from gallery.api.schemas import Problem
from gallery.api.services import Services
from gallery.settings import Settings

ROUTERS = (uploads, comparing, operations, webhooks, s3_notifications, images, upload_links, health)
# What any route may answer besides its own.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The caller is at fault", "content": {"application/problem+json": {}}},
    "5XX": {"model": Problem, "description": "The server is at fault", "content": {"application/problem+json": {}}},
}


def create_app(settings: Settings) -> FastAPI:
    """The API for these settings; opens its connections when it starts and closes them when it ends."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings)
        app.state.services, app.state.settings = services, settings
        metrics.watch(services.transaction)
        services.start()
        # All that has been loaded stays: to look through it for garbage, again and again, is a stall each time.
        gc.collect()
        gc.freeze()
        yield
        services.close()

    app = FastAPI(title="Gallery ingest", version="1", lifespan=lifespan, redoc_url=None, responses=PROBLEMS)
    app.state.metrics = metrics
    add_problem_handlers(app)
    for module in ROUTERS:
        app.include_router(module.router)
    add_page(app, settings)
    app.add_middleware(RequestMiddleware, metrics=metrics, api_keys=settings.api_keys)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app
