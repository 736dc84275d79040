"""Errors as RFC 9457 problem details: `{"type", "title", "status", "detail", "code", "request_id"}`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gallery.api.logs import request_id
from gallery.errors import (
    ConflictError,
    FileFault,
    ForbiddenError,
    GalleryError,
    NotAuthenticated,
    NotFoundError,
    PrefectUnavailable,
    RefusedFiles,
    RefusedRequest,
    StagedFileError,
    TooManyRequests,
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
# Of each of our errors that may leave a route; any other is a defect, and 500.
STATUSES: Mapping[type[GalleryError], int] = {
    RefusedRequest: 422,
    NotAuthenticated: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    TooManyRequests: 429,
    PrefectUnavailable: 503,
    StagedFileError: 503,
    TransientError: 503,
}
# Of errors that the framework raises itself, and that the middleware raises within it.
FRAMEWORK_CODES: Mapping[int, str] = {
    400: "bad_request",
    404: NotFoundError.code,
    405: "method_not_allowed",
    413: "too_large",
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


def _answer_with(status: int) -> Callable[[Request, Any], Awaitable[JSONResponse]]:
    async def answer(_: Request, error: GalleryError) -> JSONResponse:
        if isinstance(error, RefusedFiles):
            return problem(status, error.code, str(error), errors=[_refused(fault) for fault in error.faults])
        if status < 500:
            return problem(status, error.code, str(error), headers=_headers(error))
        # What Prefect, the database or storage said may name hosts and users; the log has it.
        log.warning("%s", error)
        pause = "5" if isinstance(error, PrefectUnavailable) else "2"
        return problem(status, error.code, "please try again in a moment", headers={"Retry-After": pause})

    return answer


def _headers(error: GalleryError) -> dict[str, str] | None:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, NotAuthenticated) and error.scheme is not None:
        return {"WWW-Authenticate": error.scheme}
    return None


def _shown(part: int | str) -> int | str:
    # A field's name is the caller's: JSON may write half a surrogate pair, which no answer can repeat.
    return part if isinstance(part, int) else part.encode("utf-8", "backslashreplace").decode()


def _refused(fault: FileFault) -> dict[str, Any]:
    name = None if fault.file_name is None else _shown(fault.file_name)
    return {"index": fault.index, "file_name": name, "code": fault.code, "message": fault.message}


def add_problem_handlers(app: FastAPI) -> None:
    """Turn every error that leaves a route into problem details."""

    for kind, status in STATUSES.items():
        app.add_exception_handler(kind, _answer_with(status))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"at": [_shown(part) for part in item["loc"]], "message": item["msg"]} for item in error.errors()]
        where = ".".join(str(part) for part in errors[0]["at"]) if errors else ""
        detail = f"{where}: {errors[0]['message']}" if errors else "the request is not valid"
        return problem(422, "invalid_request", detail, errors=errors[:20])

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = FRAMEWORK_CODES.get(error.status_code, GalleryError.code)
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, code, str(error.detail), headers=headers)
