"""Repeats a step that the surroundings have failed, for what is not a task and has no retries of Prefect's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from gallery.errors import TransientError
from gallery.settings import Settings

R = TypeVar("R")


def retry(settings: Settings, step: Callable[[], R]) -> R:
    """Do `step`, which is safe to repeat, again after a `TransientError`: as often, and after such pauses, as a
    stage's task is retried. Raises the last one.
    """
    for tried in range(settings.retries):
        try:
            return step()
        except TransientError:
            time.sleep(settings.retry_delay_seconds * 2**tried * random.uniform(1, 1.5))  # noqa: S311 - no secret
    return step()
