"""Repeats a step that the surroundings have failed, for what is not a task and has no retries of Prefect's."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from gallery.errors import TransientError
from gallery.settings import Settings

R = TypeVar("R")
log = logging.getLogger(__name__)


def retry(settings: Settings, step: Callable[[], R]) -> R:
    """Do `step`, which is safe to repeat, again after a `TransientError`: as often, and after such pauses, as a
    stage's task is retried, and say so. Raises the last one.
    """
    for tried in range(settings.retries):
        try:
            return step()
        except TransientError as error:
            pause = settings.retry_delay_seconds * 2**tried * random.uniform(1, 1.5)  # noqa: S311 - no secret
            log.warning("%s; tried again in %.1f s", error, pause)
            time.sleep(pause)
    return step()
