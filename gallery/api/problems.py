"""Errors as RFC 9457 problem details: `{"type", "title", "status", "detail", "code"}`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gallery.errors import ConflictError, NotFoundError, RefusedRequest, TransientError

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not valid",
    500: "Internal error",
    503: "Unavailable just now",
}


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem details response; `code` is stable, `detail` is for people."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    return JSONResponse(body | {"code": code} | more, status, headers=headers, media_type="application/problem+json")


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

    @app.exception_handler(TransientError)
    async def unavailable(_: Request, error: TransientError) -> JSONResponse:
        # What the database or storage said may name hosts and users; the log has it.
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

    @app.exception_handler(Exception)
    async def internal(_: Request, error: Exception) -> JSONResponse:
        return problem(500, "internal_error", "something went wrong here; the server's log says what")
