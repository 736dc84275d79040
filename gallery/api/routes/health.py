"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from gallery.api.metrics import Metrics
from gallery.api.schemas import HealthAnswer, ReadinessAnswer
from gallery.api.services import services_of
from gallery.catalogue.conditions import DEPLOYMENT, OPEN, WORKERS, list_unwell
from gallery.errors import GalleryError

router = APIRouter(tags=["health"])
# Parts without which nothing can be accepted.
ESSENTIAL = ("database", "storage")


@router.get("/healthz")
async def healthz() -> HealthAnswer:
    """The process is alive."""
    return HealthAnswer(status="ok")


@router.get("/readyz", response_model=ReadinessAnswer, responses={503: {"model": ReadinessAnswer}})
def readyz(request: Request) -> Response:
    """Database and storage answer; 503 that names the one that does not, within seconds also where it hangs.

    200 and `degraded` without Prefect, its workers or the deployment; 200 and `paused` while ops have paused the pool
    or its queue.
    """
    services = services_of(request)
    failures = services.readiness.failures()
    for error in failures.values():
        if not isinstance(error, (GalleryError, TimeoutError)):
            raise error
    if missing := [name for name in ESSENTIAL if name in failures]:
        return _answer("unavailable", missing, 503)
    with services.transaction() as session:
        unwell = list_unwell(session)
    # Uploads are accepted all the same, and started when it is back.
    missing = [*failures, *(name for name in (WORKERS, DEPLOYMENT) if name in unwell)]
    if missing:
        return _answer("degraded", missing, 200)
    return _answer("paused" if OPEN in unwell else "ok", missing, 200)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """For Prometheus: requests by route and status, answer times, uploads by state, what is due."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _answer(status: str, missing: list[str], code: int) -> JSONResponse:
    return JSONResponse(ReadinessAnswer(status=status, missing=missing).model_dump(), code)
