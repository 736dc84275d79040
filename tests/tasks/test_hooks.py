"""An end that cannot be written is one line in the run's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Failed

from flows.sweep_storage import sweep_storage
from tasks.hooks import write_ingest_end, write_upkeep_end
from tests.second_api import free_port


@pytest.mark.parametrize("hook", [write_ingest_end, write_upkeep_end])
def test_without_a_database_a_hook_says_so_in_a_line(
    hook: Callable[[Any, FlowRun, State[Any]], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GALLERY_DATABASE_URL", f"postgresql://user:secret@127.0.0.1:{free_port()}/catalogue")
    monkeypatch.setenv("GALLERY_UPLOADS_BUCKET", "uploads")
    monkeypatch.setenv("GALLERY_LIBRARY_BUCKET", "library")
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="summer-wedding · 3 images")
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}), caplog.at_level("INFO"):
        hook(sweep_storage, run, Failed(message="stopped"))
    (line,) = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert "not in the history yet" in line.getMessage()
    assert "secret" not in line.getMessage()
    assert line.exc_info is None
