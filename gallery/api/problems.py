"""Errors as RFC 9457 problem details: `{"type", "title", "status", "detail", "code", "request_id"}`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gallery.api.logs import request_id
from gallery.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PrefectUnavailable,
    RefusedRequest,
    StagedFileError,
    TransientError,
)

log = logging.getLogger("gallery.api")
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable just now",
}


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem details response; `code` is stable, `detail` is for people."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if (current := request_id.get()) is not None:
        body["request_id"] = current
    return JSONResponse(body | more, status, headers=headers, media_type="application/problem+json")


def _shown(part: int | str) -> int | str:
    # A field's name is the caller's: JSON may write half a surrogate pair, which no answer can repeat.
    return part if isinstance(part, int) else part.encode("utf-8", "backslashreplace").decode()


def add_problem_handlers(app: FastAPI) -> None:
    """Turn every error that leaves a route into problem details."""

    @app.exception_handler(RefusedRequest)
    async def refused(_: Request, error: RefusedRequest) -> JSONResponse:
        return problem(422, error.code, str(error))

    @app.exception_handler(NotFoundError)
    async def not_found(_: Request, error: NotFoundError) -> JSONResponse:
        return problem(404, "not_found", str(error))

    @app.exception_handler(ConflictError)
    async def conflict(_: Request, error: ConflictError) -> JSONResponse:
        return problem(409, "conflict", str(error))

    @app.exception_handler(ForbiddenError)
    async def forbidden(_: Request, error: ForbiddenError) -> JSONResponse:
        return problem(403, "not_allowed", str(error))

    @app.exception_handler(PrefectUnavailable)
    async def no_prefect(_: Request, error: PrefectUnavailable) -> JSONResponse:
        log.warning("%s", error)
        return problem(503, "prefect_unavailable", "please try again in a moment", headers={"Retry-After": "5"})

    @app.exception_handler(StagedFileError)
    @app.exception_handler(TransientError)
    async def unavailable(_: Request, error: TransientError | StagedFileError) -> JSONResponse:
        # What the database or storage said may name hosts and users; the log has it.
        log.warning("%s", error)
        return problem(503, error.reason, "please try again in a moment", headers={"Retry-After": "2"})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"at": [_shown(part) for part in item["loc"]], "message": item["msg"]} for item in error.errors()]
        where = ".".join(str(part) for part in errors[0]["at"]) if errors else ""
        detail = f"{where}: {errors[0]['message']}" if errors else "the request is not valid"
        return problem(422, "invalid_request", detail, errors=errors[:20])

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = TITLES.get(error.status_code, "error").lower().replace(" ", "_")
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, code, str(error.detail), headers=headers)
