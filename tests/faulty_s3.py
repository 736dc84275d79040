"""A reverse proxy before the S3 server that can refuse chosen requests, or do something right before or after.

Everything under test reaches S3 through it; without a fault it passes bytes on as they are, signatures included.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass(frozen=True)
class Request:
    """What a fault may look at: the query as it was sent, the headers with their names in lower case."""

    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Fault:
    """What happens to requests of `method` whose decoded path matches `path`, and that `when` picks, where it is given.

    `status`: answered with this and `content`, or an error with S3's `code`, unless that has happened `times` times.
    `headers` are added to such an answer. `cut`: the answer breaks
    off after so many bytes of its body. `before`, `after`: called around the real request. `seen` counts the requests
    that matched.
    """

    method: str
    path: re.Pattern[str]
    when: Callable[[Request], bool] | None = None
    status: int | None = None
    code: str | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    cut: int | None = None
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    seen: int = 0
    lock: Lock = field(default_factory=Lock)

    def refuses(self) -> bool:
        with self.lock:
            self.seen += 1
            return self.status is not None and (self.times is None or self.seen <= self.times)


class FaultyS3:
    """The proxy, listening on `port`; use `fault` around what shall meet it."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self._faults: list[Fault] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def fault(
        self,
        method: str,
        path: str,
        *,
        when: Callable[[Request], bool] | None = None,
        status: int | None = None,
        code: str | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        cut: int | None = None,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> Iterator[Fault]:
        """While the block runs, requests of `method` whose path matches the pattern meet this fault."""
        fault = Fault(method, re.compile(path), when, status, code, content, headers or {}, times, cut, before, after)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _pass_on(self) -> None:
                body = self._read_body()
                address = urlsplit(self.path)
                path = unquote(address.path)
                request = Request(address.query, {name.lower(): value for name, value in self.headers.items()}, body)
                faults = [
                    item
                    for item in proxy._faults
                    if item.method == self.command
                    and item.path.search(path)
                    and (item.when is None or item.when(request))
                ]
                for fault in faults:
                    if fault.refuses():
                        self._refuse(fault)
                        return
                    if fault.before:
                        fault.before()
                self._forward(body, min((item.cut for item in faults if item.cut is not None), default=None))
                for fault in faults:
                    if fault.after:
                        fault.after()

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _pass_on  # noqa: N815 - http.server's

            def _read_body(self) -> bytes:
                length = int(self.headers.get("Content-Length") or 0)
                if "100-continue" in self.headers.get("Expect", "").lower():
                    self.send_response_only(100)
                    self.end_headers()
                return self.rfile.read(length)

            def _refuse(self, fault: Fault) -> None:
                status = fault.status or 503
                code = fault.code or {501: "NotImplemented", 503: "SlowDown"}.get(status, "AccessDenied")
                body = (
                    fault.content
                    if fault.content is not None
                    else f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
                )
                self.send_response_only(status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/xml")
                if origin := self.headers.get("Origin"):
                    # As S3 does where the bucket's CORS rules allow the page: else it cannot read the refusal.
                    self.send_header("Access-Control-Allow-Origin", origin)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _forward(self, body: bytes, cut: int | None) -> None:
                assert proxy.upstream.hostname
                connection = http.client.HTTPConnection(proxy.upstream.hostname, proxy.upstream.port, timeout=30)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in HOP_BY_HOP | {"expect"}:
                            connection.putheader(name, value)
                    connection.endheaders(body or None)
                    answer = connection.getresponse()
                    content = answer.read()
                    self.send_response_only(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in HOP_BY_HOP | {"content-length"}:
                            self.send_header(name, value)
                    length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                    self.send_header("Content-Length", length or "0")
                    self.end_headers()
                    self.wfile.write(content[:cut])
                    self.close_connection = self.close_connection or cut is not None
                finally:
                    connection.close()

        return Handler
