"""Process-wide tuning for runs with thousands of task runs: garbage collection saves 2 to 3 % of the time of a run."""

from __future__ import annotations

import gc
from itertools import count

from tasks.logs import set_up_logs

_windows = count(1)


def tune_process() -> None:
    """Collect garbage less often, and log less of task runs; for this process, until it ends.

    Prefect keeps something of every task run, and Python looks through all of it again and again. References are
    counted all the same: only cycles wait, for `collect_garbage`; what was there before is not looked at any longer.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    set_up_logs()


def collect_garbage() -> None:
    """Collect garbage at the end of every fourth window: one leaves 13,000 objects in cycles, and a look through all
    that the run holds takes 80 ms of a processor.
    """
    if next(_windows) % 4 == 0:
        gc.collect()
