"""Steps outside of tasks outlast what passes by itself."""

from __future__ import annotations

import pytest

from gallery.errors import TransientError
from gallery.retrying import retry
from gallery.settings import Settings, load_settings
from tests.test_settings import GOOD


@pytest.fixture
def settings() -> Settings:
    return load_settings({**GOOD, "GALLERY_RETRIES": "2", "GALLERY_RETRY_DELAY_SECONDS": "0.001"})


def test_a_step_is_repeated_as_often_as_a_task_is_and_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Exception | str] = [*[TransientError("database_unavailable", "away")] * 2, "done"]

    def step() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry(settings, step) == "done"
    assert [record.getMessage() for record in caplog.records] == ["away; tried again in 0.0 s"] * 2
    answers[:] = [TransientError("database_unavailable", f"away {number}") for number in range(3)]
    with pytest.raises(TransientError, match="away 2"):
        retry(settings, step)
    assert answers == []


def test_what_no_time_mends_is_not_repeated(settings: Settings) -> None:
    tries = []

    def step() -> None:
        tries.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry(settings, step)
    assert len(tries) == 1
