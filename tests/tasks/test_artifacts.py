"""Progress and summary of a run: how often the server is asked, and that it may refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tasks import artifacts


class Server:
    """In place of Prefect's artifacts: keeps what it is told, or refuses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.refuses = False
        self.warnings: list[str] = []
        self.now = 100.0

    def take(self, kind: str) -> Callable[..., UUID]:
        def taken(*arguments: Any, **named: Any) -> UUID:
            if self.refuses:
                raise httpx.ConnectError("away")
            self.told.append((kind, arguments[-1] if kind == "progress again" else arguments[0], *named.values()))
            return uuid4()

        return taken

    def warning(self, message: str, *arguments: object) -> None:
        self.warnings.append(message % arguments)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    for name, kind in (
        ("create_progress_artifact", "progress"),
        ("update_progress_artifact", "progress again"),
        ("create_table_artifact", "table"),
        ("create_markdown_artifact", "summary"),
    ):
        monkeypatch.setattr(artifacts, name, made.take(kind))
    monkeypatch.setattr(artifacts, "get_run_logger", lambda: made)
    monkeypatch.setattr("tasks.artifacts.time.monotonic", lambda: made.now)
    return made


def test_progress_is_told_now_and_then_and_at_the_end(server: Server) -> None:
    progress = artifacts.RunProgress("summer-wedding", total=1000, done=200)
    for _ in range(8):
        progress.advance(100)
        server.now += 0.5
    assert server.told == [
        ("progress", 30.0, "progress-summer-wedding", "300 of 1,000 images"),
        ("progress again", 70.0, "700 of 1,000 images"),
        ("progress again", 100.0, "1,000 of 1,000 images"),
    ]


def test_a_server_that_does_not_take_it_costs_a_warning_and_nothing_else(server: Server) -> None:
    server.refuses = True
    artifacts.RunProgress("g", total=10).advance(10)
    artifacts.publish_summary([{"a": "b"}], lambda _: "text", problems_key="p", summary_key="s", message="m")
    assert server.warnings == [
        "Prefect's server did not take the progress: ConnectError",
        "Prefect's server did not take the artifacts: ConnectError",
    ]


def test_a_table_is_published_only_where_there_are_problems(server: Server) -> None:
    def summary(url: str | None) -> str:
        return f"table at {url}"

    artifacts.publish_summary([], summary, problems_key="p", summary_key="s", message="m")
    artifacts.publish_summary([{"file": "a"}], summary, problems_key="p", summary_key="s", message="m")
    assert [told[0] for told in server.told] == ["summary", "table", "summary"]
    assert server.told[0][1] == "table at None"
