"""Liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from gallery import runs
from gallery.api.metrics import Metrics
from gallery.api.schemas import HealthAnswer, ReadinessAnswer
from gallery.api.services import services_of
from gallery.catalogue.conditions import OPEN, WORKERS, list_unwell
from gallery.errors import GalleryError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> HealthAnswer:
    """The process is alive."""
    return HealthAnswer(status="ok")


@router.get("/readyz", response_model=ReadinessAnswer, responses={503: {"model": ReadinessAnswer}})
def readyz(request: Request) -> Response:
    """Database and storage answer; 503 that names the one that does not.

    200 and `degraded` without Prefect or its workers, 200 and `paused` while ops have paused the pool or its queue.
    """
    services = services_of(request)
    unwell: frozenset[str] = frozenset()

    def ask_database() -> None:
        nonlocal unwell
        with services.transaction() as session:
            session.connection().exec_driver_sql("SELECT 1 FROM gallery.uploads LIMIT 1")
            unwell = list_unwell(session)

    missing = _missing({"database": ask_database, "storage": services.storage.reachable})
    if missing:
        return _answer("unavailable", missing, 503)
    # Uploads are accepted all the same, and started when it is back.
    missing = _missing({"prefect": runs.check_reachable})
    if WORKERS in unwell:
        missing.append("workers")
    if missing:
        return _answer("degraded", missing, 200)
    return _answer("paused" if OPEN in unwell else "ok", missing, 200)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """For Prometheus: requests by route and status, answer times, uploads by state, what is due."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _missing(parts: dict[str, Callable[[], None]]) -> list[str]:
    missing = []
    for name, ask in parts.items():
        try:
            ask()
        except GalleryError:
            missing.append(name)
    return missing


def _answer(status: str, missing: list[str], code: int) -> JSONResponse:
    return JSONResponse(ReadinessAnswer(status=status, missing=missing).model_dump(), code)
