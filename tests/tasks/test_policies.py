"""When a retry makes sense, what makes two process results the same, and the state that a run ends in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Failed

from gallery.errors import RejectedImage, StagedFileError, StaleAttempt, TransientError
from gallery.models import DownloadedImage, Entry, ObjectKey, RunState
from gallery.settings import CACHE_DAYS, Settings
from gallery.storage.keys import EntryKeys
from tasks.policies import CACHE_EXPIRATION, is_transient, process_cache_key, retry_options
from tasks.process import process
from tasks.states import final_state


def settings(retries: int, delay: float = 1.0) -> Settings:
    return cast(Settings, SimpleNamespace(retries=retries, retry_delay_seconds=delay))


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (TransientError("storage_unavailable", "away"), True),
        (TransientError("database_unavailable", "away"), True),
        (RejectedImage("truncated", "cut off"), False),
        (StagedFileError("missing_object", "gone"), False),
        (StaleAttempt("u", 1), False),
        (ZeroDivisionError(), False),
        (MemoryError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_pass_is_retried(error: Exception, retried: bool) -> None:
    state: State[Any] = Failed(data=error)
    assert is_transient(cast(Any, None), cast(Any, None), state) is retried


def test_pauses_double_and_are_jittered() -> None:
    options = retry_options(settings(4, 0.5))
    assert options["retries"] == 4
    assert options["retry_delay_seconds"] == [0.5, 1.0, 2.0, 4.0]
    assert options["retry_jitter_factor"] > 0
    assert options["retry_condition_fn"] is is_transient
    assert retry_options(settings(0)) == {"retries": 0}


def key(
    gallery: str = "g",
    upload: str = "u",
    number: int = 1,
    sha256: str = "s" * 64,
    recipe: str = "r" * 64,
    write: int = 1,
) -> str:
    workspace = SimpleNamespace(
        keys_of=lambda of: EntryKeys(gallery, upload, of.number, of.write_number),
        recipe=SimpleNamespace(recipe_id=recipe),
    )
    image = DownloadedImage(Entry(number, "a.jpg", ObjectKey("k"), "e", 1, write), Path("x"), sha256)
    return process_cache_key(cast(Any, None), {"workspace": workspace, "image": image})


def test_the_cache_key_is_content_recipe_and_destination() -> None:
    others = [key(gallery="h"), key(upload="v"), key(number=2), key(sha256="t" * 64), key(recipe="q" * 64)]
    assert key() == key(write=2) == f"g/u/1/{'s' * 64}-{'r' * 64}"
    assert len({key(), *others}) == 6


def test_a_cached_result_expires_before_what_it_speaks_of_may_be_swept() -> None:
    assert CACHE_EXPIRATION.days == CACHE_DAYS == process.cache_expiration.days  # type: ignore[union-attr]
    assert (process.persist_result, process.result_serializer) == (True, "json")


@pytest.mark.parametrize(
    ("state", "type_", "name"),
    [
        ("completed", "COMPLETED", "Completed"),
        ("completed_with_rejects", "COMPLETED", "Completed with rejects"),
        ("failed", "FAILED", "Failed"),
    ],
)
def test_the_final_state_says_it_in_words(state: RunState, type_: str, name: str) -> None:
    ended = final_state(state, "2 of 5 saved")
    assert (ended.type.value, ended.name, ended.message) == (type_, name, "2 of 5 saved")
