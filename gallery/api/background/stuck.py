"""Runs that have neither a process nor a clock: how long each state may last, and what ends it.

`RULES` is the table of docs/operations.md, "Nothing waits for ever". A process that lives all the same, or wakes up
later, does no harm: it writes nothing once its attempt has ended or another has begun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal
from uuid import UUID

from sqlalchemy import Engine

from gallery import runs
from gallery.catalogue import attempts, stuck
from gallery.catalogue.attempts import RunUnderWay
from gallery.catalogue.callbacks import queue_alert
from gallery.catalogue.conditions import BUSY, OPEN, PLACES, WORKERS, unwell_for, well_for
from gallery.catalogue.connect import transaction
from gallery.errors import NotFoundError
from gallery.runs import Phase, SeenRun

log = logging.getLogger("gallery.api")
# By the type of the work pool: what starts a container, or a machine, takes its time.
LIMITS = {"process": timedelta(minutes=3)}
LONGER_LIMIT = timedelta(minutes=15)


def start_limit(minutes: float | None, pool_type: str) -> timedelta:
    """How long a run may take to start: as the setting says, or what suits the pool."""
    return LIMITS.get(pool_type, LONGER_LIMIT) if minutes is None else timedelta(minutes=minutes)


def settle_stuck(
    engine: Engine, run: RunUnderWay, seen: SeenRun, limit: timedelta, watched: timedelta = timedelta.max
) -> None:
    """Replace an upload's run, end it or tell ops, if it has been stuck for longer than its rule allows.

    `watched` is for how long this process has looked at all runs without a gap; a scheduled run cannot have been stuck
    for longer. Raises `PrefectUnavailable`.
    """
    if run.is_paused != (seen.phase == "paused"):
        with transaction(engine) as session:
            stuck.note_pause(session, run, is_paused=not run.is_paused)
    rule = RULES[seen.phase]
    if _stuck_for(engine, run, seen, watched) <= rule.limits * limit:
        return
    message = _message(seen, rule)
    try:
        is_done = rule.act(engine, run, message)
    except NotFoundError:  # deleted meanwhile, as the next look will find
        return
    if is_done:
        log.warning("upload %s: %s", run.upload_id, message, extra={"upload_id": run.upload_id})


def end_strays(engine: Engine, under_way: Collection[UUID], limit: timedelta) -> None:
    """End the pool's other runs that are stuck before their start or their end: a claimed run occupies its queue.

    Those are rebuilds, sweeps, and ingests that were started by hand or whose upload has ended. Raises
    `PrefectUnavailable`.
    """
    for seen in runs.look_for_claimed():
        rule = RULES[seen.phase]
        if seen.flow_run_id in under_way or _stray_for(engine, seen) <= rule.limits * limit:
            continue
        message = _message(seen, rule)
        end: Literal["crashed", "cancelled"] = "cancelled" if seen.phase == "cancelling" else "crashed"
        try:
            runs.end_run(seen.flow_run_id, end, message)
        except NotFoundError:
            continue
        log.warning("%s", message)
        if end == "crashed":
            with transaction(engine) as session:
                queue_alert(session, "run_stuck", f"{message}. It has been ended: retry it in Prefect")


def _stray_for(engine: Engine, seen: SeenRun) -> timedelta:
    """For how long a run without an upload has needed somebody to end it; negative while it has not.

    One that is running by the catalogue as well sends heartbeats, which Prefect's automation misses. One that has died
    before it began, or after it had done its work, may have sent none.
    """
    if seen.phase != "running":
        return seen.age
    with transaction(engine) as session:
        return min(seen.age, stuck.idle_for(session, seen.flow_run_id))


def _message(seen: SeenRun, rule: Rule) -> str:
    return f"run {seen.name!r} has been {seen.phase} for {seen.age.total_seconds():.0f} s: {rule.why}"


def _stuck_for(engine: Engine, run: RunUnderWay, seen: SeenRun, watched: timedelta) -> timedelta:
    """For how long a run has needed somebody to act; negative while it has not."""
    if seen.phase == "cancelling":
        return seen.age
    if seen.phase == "scheduled":
        return min(run.silence, watched, _passed_over_for(engine, seen))
    return min(run.silence, seen.age)


def _passed_over_for(engine: Engine, seen: SeenRun) -> timedelta:
    """How long workers have had every reason to take a scheduled run."""
    with transaction(engine) as session:
        # A worker does not start a run that it still has a process of, frozen or not: it passes it over.
        if seen.was_claimed and stuck.was_overtaken(session, seen.age):
            return min(seen.age, well_for(session, (OPEN, WORKERS)))
        # A worker may have a limit of its own, which Prefect does not tell: a run waits as long as others are at work.
        return min(seen.age, well_for(session, (OPEN, WORKERS, PLACES)), unwell_for(session, BUSY))


def _take_up(engine: Engine, run: RunUnderWay, message: str) -> bool:
    """Put a new run in its place; after too many, end the upload as any that could not begin."""
    with transaction(engine) as session:
        row = stuck.lock_stuck(session, run)
        if row is None:
            return False
        pause = stuck.next_pause(row)
        if pause is not None:
            # The row stays locked, so that two processes of the API make one run.
            continuation = runs.replace_run(run.flow_run_id, run.upload_id, message, delay=pause)
            stuck.take_up(session, row, continuation.flow_run_id, message)
    if pause is None:
        return _end(engine, run, message, end="crashed")
    if continuation.replaces is not None:
        runs.end_replaced(continuation.replaces)
    return True


def _end(engine: Engine, run: RunUnderWay, message: str, *, end: Literal["crashed", "cancelled"]) -> bool:
    if end == "crashed":
        with transaction(engine) as session:
            if stuck.lock_stuck(session, run) is None:
                return False
    runs.end_run(run.flow_run_id, end, message)
    with transaction(engine) as session:
        return attempts.end_unheard(session, run, end, message)


def _tell(engine: Engine, run: RunUnderWay, message: str) -> bool:
    with transaction(engine) as session:
        return stuck.tell_paused(session, run, message)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with a run that has been in a state, without a live lease, for `limits` times the limit.

    `why` is told to ops.
    """

    act: Callable[[Engine, RunUnderWay, str], bool]
    why: str
    limits: int = 1


RULES: Mapping[Phase, Rule] = {
    "scheduled": Rule(_take_up, "no worker takes it, although one responds and its queue has a place"),
    "pending": Rule(_take_up, "a worker has claimed it, and its process has not started"),
    # Prefect's automation misses heartbeats after 90 seconds. A process that sends them and makes no progress has more
    # time: it may wait for a store that is away.
    "running": Rule(partial(_end, end="crashed"), "its process makes no progress", limits=5),
    "paused": Rule(_tell, "it stays until somebody resumes it in Prefect, or retries or cancels the upload"),
    "cancelling": Rule(partial(_end, end="cancelled"), "no worker has ended it"),
}
