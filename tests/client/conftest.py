"""The API that the client talks to in tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gallery.client.api import GalleryClient
from gallery.client.progress import NoProgress
from tests.client.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    api = FakeApi()
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(api.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    api.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield api
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(api: FakeApi) -> Iterator[GalleryClient]:
    with GalleryClient(api.url, "key", pause=lambda seconds: None) as client:
        yield client


class Notes(NoProgress):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def write(folder: Path, *names: str) -> None:
    """Files with these names, and their name as content."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
