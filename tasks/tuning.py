"""What a run of many task runs does without, for the sake of its images: each of these takes 2 to 3 % of its time."""

from __future__ import annotations

import gc
import logging
from itertools import count

_windows = count(1)


def tune_process() -> None:
    """Collect garbage less often, and log no line for a task run that ended well; for this process, until it ends.

    Prefect keeps something of every task run, and Python looks through all of it again and again. References are
    counted all the same: only cycles wait, for `collect_now_and_then`; what was there before is not looked at any more.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    # Retries, and what ended otherwise, stay: they would not be found among thousands of lines of the others.
    logging.getLogger("prefect.task_runs").addFilter(_is_of_interest)


def collect_now_and_then() -> None:
    """Collect garbage at the end of every fourth window: one leaves 13,000 objects in cycles, and a look through all
    that the run holds takes 80 ms of a processor.
    """
    if next(_windows) % 4 == 0:
        gc.collect()


def _is_of_interest(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not record.getMessage().startswith("Finished in state ")
