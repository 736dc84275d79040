"""A second process of the API on the same catalogue, with what the first does not use: PUT, callbacks, alerts, SNS."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

if TYPE_CHECKING:
    from tests.conftest import Servers

CALLBACK_SECRET = "whsec_" + "Y2FsbGJhY2tzIG9mIHRoZSB0ZXN0cyBhcmUgc2lnbmVk"
TOPIC = "arn:aws:sns:us-east-1:000000000000:gallery-tests"
ORIGIN = "https://photos.example.org"
WAIT_SECONDS = 60


@dataclass(frozen=True)
class Received:
    """A callback as the application got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self) -> dict[str, Any]:
        """Its content, once the signature is checked as an application does."""
        found: dict[str, Any] = Webhook(CALLBACK_SECRET).verify(self.body, self.headers)
        return found


@dataclass
class Application:
    """Receives callbacks, as a web application would, and alerts. `statuses`: what callbacks are answered next."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, upload_id: str, count: int = 1) -> list[Received]:
        """The callbacks of an upload, once there are `count`."""

        return self._wait_for("/callbacks", lambda body: body["upload_id"] == upload_id, count)

    def wait_for_gallery(self, gallery_id: str) -> list[Received]:
        """The callbacks of a gallery, once there is one."""
        return self._wait_for("/callbacks", lambda body: body["gallery_id"] == gallery_id, 1)

    def alert(self, **wanted: str) -> Received:
        """The first alert whose body has these values, once it is there."""
        return self._wait_for("/alerts", lambda body: wanted.items() <= body.items(), 1)[0]

    def _wait_for(self, path: str, is_meant: Callable[[dict[str, Any]], bool], count: int) -> list[Received]:
        def found() -> list[Received]:
            return [item for item in self.received if item.path == path and is_meant(json.loads(item.body))]

        with self.arrived:
            assert self.arrived.wait_for(lambda: len(found()) >= count, WAIT_SECONDS), f"nothing came to {path}"
            return found()


@dataclass(frozen=True)
class SecondApi:
    """Where it is, with a client that has its key; and the application that it calls back."""

    url: str
    http: httpx.Client
    application: Application
    log: Path

    def open_upload(self, gallery_id: str, files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
        """Presign an upload of these files; `more` goes into the body, or by name into a file's entry."""
        body = {
            "files": [
                {"file_name": name, "size": len(content), "content_type": "image/jpeg", **more.pop(name, {})}
                for name, content in files.items()
            ],
            **more,
        }
        answer = self.http.post(f"/v1/galleries/{gallery_id}/uploads", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def put(self, opened: dict[str, Any], files: Mapping[str, bytes]) -> None:
        """Send files with the upload's presigned requests."""
        for item in opened["files"]:
            if item["file_name"] in files:
                content = files[item["file_name"]]
                answer = httpx.put(item["url"], content=content, headers=item["headers"])
                assert answer.status_code == 200, answer.text

    def status(self, upload_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/uploads/{upload_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_for(self, upload_id: str, *states: str) -> dict[str, Any]:
        """The upload's status, once it is in one of these states."""
        end = time.monotonic() + WAIT_SECONDS
        while (found := self.status(upload_id))["state"] not in states:
            assert time.monotonic() < end, f"upload {upload_id} is still {found['state']}, not {states}"
            time.sleep(0.1)
        return found

    def ingest(self, gallery_id: str, files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
        """Send a gallery, complete it, and wait for its end."""
        opened = self.open_upload(gallery_id, files, **more)
        self.put(opened, files)
        assert self.http.post(f"/v1/uploads/{opened['upload_id']}/complete").status_code == 202
        return self.wait_for(opened["upload_id"], "completed", "completed_with_rejects", "failed", "crashed")


@pytest.fixture(scope="session")
def second_api(servers: Servers, warm: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondApi]:
    """Started once a session and ended with it."""

    log = tmp_path_factory.mktemp("second-api") / "api.log"
    receiver, application = _application()
    environment = {
        **servers.environment,
        "GALLERY_PRESIGN_METHOD": "put",
        "GALLERY_CALLBACK_URL": application.url,
        "GALLERY_CALLBACK_SECRET": CALLBACK_SECRET,
        "GALLERY_ALERT_URL": application.url.replace("/callbacks", "/alerts"),
        "GALLERY_ALERT_SECRET": CALLBACK_SECRET,
        "GALLERY_SNS_TOPICS": TOPIC,
        "GALLERY_CORS_ORIGINS": ORIGIN,
        "GALLERY_KEEP_REPLACED_DAYS": "7",
    }
    authorization = {"Authorization": f"Bearer {servers.info.api_key}"}
    try:
        with (
            running_api(warm, environment, log) as url,
            httpx.Client(base_url=url, headers=authorization, timeout=60) as client,
        ):
            yield SecondApi(url, client, application, log)
    finally:
        receiver.shutdown()
        receiver.server_close()


@contextmanager
def running_api(warm: list[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """`gallery serve` with this environment, on a free port, started by what the fixture `warm` gives; its address."""
    port = free_port()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*warm, "gallery.cli", "serve"],
            cwd=Path(__file__).resolve().parent.parent,
            env={**environment, "GALLERY_API_PORT": str(port)},
            stdout=file,
            stderr=file,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_up(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            assert process.poll() is None, "the second API ended"
            assert time.monotonic() < end, "the second API did not start"
            time.sleep(0.1)
        else:
            return


def _application() -> tuple[ThreadingHTTPServer, Application]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with application.arrived:
                application.received.append(Received(self.path, headers, body))
                told = application.statuses if self.path == "/callbacks" else []
                status = told.pop(0) if told else 204
                application.arrived.notify_all()
            self.send_response(status)
            if status in (301, 302, 307, 308):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    application = Application(f"http://127.0.0.1:{server.server_address[1]}/callbacks")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, application
