"""What a run of many task runs does without, for the sake of its images: each of these takes 2 to 3 % of its time."""

from __future__ import annotations

import gc
import logging


def be_frugal() -> None:
    """Collect garbage less often, and log no line for a task run that ended well; for this process, until it ends.

    Prefect keeps something of every task run, and Python looks through all of it again and again. References are
    counted all the same: only cycles wait, for the run to say when; what was there before it is not looked at any more.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    # Retries, and what ended otherwise, stay: they would not be found among thousands of lines of the others.
    logging.getLogger("prefect.task_runs").addFilter(_is_of_interest)


def _is_of_interest(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not record.getMessage().startswith("Finished in state ")
