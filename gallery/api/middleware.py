"""What every request passes: an id, a limit on its body, security headers; and every answer: a log line, a count."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gallery.api.logs import request_id
from gallery.api.metrics import Metrics
from gallery.api.problems import problem

log = logging.getLogger("gallery.api.access")
KIB = 1024
SMALL_BODY = 64 * KIB
LARGE_BODY = 8 * KIB * KIB
# 10,000 files with names of 255 bytes fit; an SNS message has at most 256 KiB, other producers send batches.
BODY_LIMITS = (
    (re.compile(r"/v1/galleries/[^/]+/(uploads|compare)"), LARGE_BODY),
    (re.compile(r"/v1/uploads/[^/]+/decide"), LARGE_BODY),
    (re.compile(r"/v1/webhooks/uploads"), LARGE_BODY),
    (re.compile(r"/v1/webhooks/s3(/.*)?"), 2 * KIB * KIB),
)
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
API_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
# FastAPI's own page, which loads Swagger UI from there and starts it inline.
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; frame-ancestors 'none'; img-src data: https://fastapi.tiangolo.com; "
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net"
)


class RequestMiddleware:
    """The outermost ASGI application. Plain ASGI: bodies and answers stream through untouched."""

    def __init__(self, app: ASGIApp, metrics: Metrics, api_keys: Sequence[SecretStr]) -> None:
        self._app, self._metrics = app, metrics
        self._keys = [item.get_secret_value().partition(":")[2] for item in api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        current = given if GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(current)
        try:
            await self._serve(scope, receive, send, current)
        finally:
            request_id.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, current: str) -> None:
        began, status, started = time.perf_counter(), 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = current
                for name, value in _security_headers(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        limit = _body_limit(scope["path"])
        try:
            if _declared_length(scope) > limit:
                answer = problem(413, "too_large", _too_large(limit), headers={"Connection": "close"})
                await answer(scope, receive, send_with_headers)
            else:
                await self._app(scope, _limited(receive, limit), send_with_headers)
        except Exception:
            log.exception("%s %s met an unexpected error", scope["method"], self._loggable(scope["path"]))
            if started:
                raise
            answer = problem(500, "internal_error", "something went wrong here; the server's log says what")
            await answer(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.answered(method, route, status, seconds)
        caller = scope.get("state", {}).get("caller")
        # The path only: a query may hold what nobody should read.
        path = self._loggable(scope["path"])
        log.info(
            "%s %s %d",
            scope["method"],
            path,
            status,
            extra={
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "caller": caller,
            },
        )

    def _loggable(self, path: str) -> str:
        """The path, without the key that some stores can send in no other place, also where it is no path of ours."""
        prefix, separator, given = path.partition("/webhooks/s3/")
        shown = f"{prefix}{separator}..." if given else path
        for key in filter(None, self._keys):
            shown = shown.replace(key, "...")
        return shown


METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _security_headers(path: str) -> dict[str, str]:
    if path in ("/docs", "/redoc"):
        return {**API_HEADERS, "Content-Security-Policy": DOCS_POLICY}
    return API_HEADERS


def _body_limit(path: str) -> int:
    return next((limit for pattern, limit in BODY_LIMITS if pattern.fullmatch(path)), SMALL_BODY)


def _declared_length(scope: Scope) -> int:
    value = Headers(scope=scope).get("content-length", "")
    return int(value) if value.isdecimal() else 0


def _limited(receive: Receive, limit: int) -> Callable[[], Awaitable[Message]]:
    """A `receive` that refuses a body which turns out larger than it said, or did not say."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return limited


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit:,} bytes"
