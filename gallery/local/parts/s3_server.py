"""Runs ministack behind a check of request signatures: `python -m gallery.local.parts.s3_server`.

With AUTH=true ministack verifies presigned requests and posted forms, but lets every request pass whose header
names a root key: its own, `test`, or any twelve digits, whatever the signature (1.5.33,
`iam_evaluator.pin_signed_request`); it also lists buckets to the anonymous and offers `POST /_ministack/reset`, which
deletes everything, to all. This gate lets through what is signed with the stack's own keys, and nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from xml.sax.saxutils import escape

from gallery.local.parts.signatures import Keys, Refusal, check_headers, query_access_key

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The largest SQS and SNS messages have 1 MiB; what is cut off here does not match its signature.
MAX_SMALL_BODY = 2 * 1024 * 1024
HEALTH = frozenset({"/_ministack/health", "/_ministack/ready"})


class Gate:
    """An ASGI application that passes on only requests signed with `keys`."""

    def __init__(self, app: App, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        values = dict(headers)
        if "authorization" in values:
            payload_hash = values.get("x-amz-content-sha256")
            if payload_hash is None:  # not S3 but SQS and SNS: small bodies, part of the signature
                body = await _read(receive)
                payload_hash, receive = hashlib.sha256(body).hexdigest(), _replay(body, receive)
            path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
            refusal = check_headers(self._keys, scope["method"], path, query, headers, payload_hash)
        else:
            refusal = self._refuse_unsigned(scope, values.get("content-type", ""))
        if refusal or (scope["path"].startswith("/_") and scope["path"] not in HEALTH):
            await _refuse(send, refusal or Refusal("AccessDenied", "ministack's own interface is not served."))
        else:
            await self._app(scope, receive, send)

    def _refuse_unsigned(self, scope: Scope, content_type: str) -> Refusal | None:
        method, query = scope["method"], scope["query_string"].decode("ascii", "replace")
        if method == "OPTIONS":
            return None  # a browser's preflight request carries no signature; the bucket's CORS rules answer
        if method == "GET" and scope["path"] in HEALTH:
            return None
        if (access_key := query_access_key(query)) is not None:
            # Presigned: ministack verifies the rest, with the one secret.
            return None if access_key == self._keys.access_key else Refusal.unknown_key()
        if method == "POST" and content_type.startswith("multipart/form-data"):
            return None  # a presigned form: ministack verifies its policy and signature
        return Refusal("AccessDenied", "Anonymous access is not allowed.")


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more and len(body) <= MAX_SMALL_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once and then what follows it."""
    given = False

    async def replayed() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _refuse(send: Send, refusal: Refusal) -> None:
    text = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
    # The request's body is not read: without this, it would be taken for the next request.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve on BIND_HOST:GATEWAY_PORT until SIGTERM or SIGINT.

    By uvicorn: ministack's own server, Hypercorn 0.18, keeps a connection that its client has closed until the
    keep-alive time is over, and 1,000 photographs sent each on its own are more than the usual limit of open files.
    """
    import uvicorn  # noqa: PLC0415 - only in this process
    from ministack import app as ministack  # type: ignore[import-untyped]  # noqa: PLC0415

    keys = Keys(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    uvicorn.run(
        Gate(ministack.app, keys),
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        ws="none",
        timeout_keep_alive=75,  # seconds, as ministack's own main
        timeout_graceful_shutdown=2,  # seconds
        log_level=os.environ.get("LOG_LEVEL", "WARNING").lower(),
        access_log=False,
    )


if __name__ == "__main__":
    main()
