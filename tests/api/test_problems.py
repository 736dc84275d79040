"""What each error becomes for a caller: status, stable code, headers; over an application with nothing behind it."""

from __future__ import annotations

import asyncio
import logging
import re

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gallery import errors
from gallery.api.problems import FRAMEWORK_CODES, STATUSES, TITLES, add_problem_handlers
from gallery.errors import (
    ConflictError,
    ForbiddenError,
    GalleryError,
    NotAuthenticated,
    NotFoundError,
    PrefectUnavailable,
    RefusedRequest,
    StagedFileError,
    TooManyRequests,
    TransientError,
)

ANSWERS = [
    (RefusedRequest("invalid_key", "no"), 422, "invalid_key", {}),
    (NotAuthenticated("who?", scheme="Bearer"), 401, "not_authenticated", {"www-authenticate": "Bearer"}),
    (NotAuthenticated("unsigned"), 401, "not_authenticated", {}),
    (ForbiddenError("no"), 403, "not_allowed", {}),
    (NotFoundError("what?"), 404, "not_found", {}),
    (ConflictError("no"), 409, "conflict", {}),
    (TooManyRequests("slow down", retry_after=3), 429, "too_many_requests", {"retry-after": "3"}),
    (PrefectUnavailable("db-host-7 is away"), 503, "prefect_unavailable", {"retry-after": "5"}),
    (TransientError("database_unavailable", "db-host-7 is away"), 503, "database_unavailable", {"retry-after": "2"}),
    (StagedFileError("missing_object", "db-host-7/x is gone"), 503, "missing_object", {"retry-after": "2"}),
    (HTTPException(400, "There was an error parsing the body"), 400, "bad_request", {}),
    (HTTPException(413, "too large"), 413, "too_large", {}),
    (HTTPException(418, "a teapot"), 418, "error", {}),
]


def answer_to(error: Exception, method: str = "GET", path: str = "/") -> httpx.Response:
    """The answer of an application whose only route, `GET /`, raises this error."""
    app = FastAPI()
    add_problem_handlers(app)

    @app.get("/")
    def route() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


@pytest.mark.parametrize(("error", "status", "code", "headers"), ANSWERS, ids=lambda value: type(value).__name__)
def test_an_error_becomes_a_problem(error: Exception, status: int, code: str, headers: dict[str, str]) -> None:
    answer = answer_to(error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    told = {name: answer.headers[name] for name in ("retry-after", "www-authenticate") if name in answer.headers}
    assert told == headers
    # What our servers said of themselves is nothing for callers.
    assert "db-host-7" not in answer.text


def test_what_servers_said_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="gallery.api"):
        answer_to(PrefectUnavailable("db-host-7 is away"))
    assert "db-host-7 is away" in caplog.text


def test_routes_that_are_not_there_have_codes_too() -> None:
    assert answer_to(ConflictError("no"), "GET", "/nowhere").json()["code"] == "not_found"
    assert answer_to(ConflictError("no"), "POST").json()["code"] == "method_not_allowed"


def test_every_status_has_a_title_and_every_error_an_answer_here() -> None:
    assert {*STATUSES.values(), *FRAMEWORK_CODES} <= set(TITLES)
    assert {type(error) for error, *_ in ANSWERS} - {HTTPException} == set(STATUSES)


def test_every_error_stands_in_the_tree_of_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GalleryError)]
    tree = errors.__doc__ or ""
    assert [kind.__name__ for kind in kinds if not re.search(rf"\b{kind.__name__}\b", tree)] == []


def test_every_error_has_a_code_of_its_own_beside_it() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GalleryError)]
    fixed = {kind: kind.code for kind in kinds if "code" in vars(kind)}
    assert len(set(fixed.values())) == len(fixed)
    # Each that leaves a route as a problem has one, or gives one to each instance.
    by_instance = {RefusedRequest, StagedFileError, TransientError}
    assert set(STATUSES) - by_instance <= set(fixed)


def test_a_defect_is_no_problem_of_the_callers() -> None:
    answer = answer_to(errors.ConfigurationError("GALLERY_X is not set"))
    assert answer.status_code == 500
    assert "GALLERY_X" not in answer.text
