"""What follows the faults: everything comes to rest, what failed is retried once, and the sweep goes through."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gallery.settings import load_settings
from gallery.sweep.run import sweep
from tests.chaos.actions import Actions, Refused
from tests.chaos.invariants import State, waiting_runs

# Seconds without any change after which nothing more is expected. An upload whose run could not begin is tried again
# after up to 480; one that is stuck is found sooner, see `SETTINGS` in stack.py.
STANDSTILL = 540.0
LONGEST = 1800.0
LOOK_EVERY = 2.0
# Seconds for which nothing may be at work: some things are begun by others that look every few seconds.
QUIET = 6.0
# Longer than anything is kept: staged files, cached results, and what the sweep's grace protects.
LATER = timedelta(days=30)

WAITING = (
    "SELECT (SELECT count(*) FROM gallery.uploads WHERE state IN ('accepted', 'running')"
    " OR restart_after IS NOT NULL) AS uploads,"
    " (SELECT count(*) FROM gallery.outbox WHERE done_at IS NULL AND requested_by IS NOT NULL) AS deletions"
)
PROGRESS = (
    "SELECT (SELECT sum(attempt) FROM gallery.uploads) AS attempts,"
    " (SELECT array_agg(state ORDER BY upload_id) FROM gallery.uploads) AS states,"
    " (SELECT count(outcome) FROM gallery.entries) AS outcomes, (SELECT count(*) FROM gallery.entry_attempts) AS done,"
    " (SELECT count(done_at) FROM gallery.outbox) AS deleted"
)
Say = Callable[[str], None]


def wait_for_rest(state: State, say: Say) -> bool:
    """Wait until nothing is at work or waits; false where for long nothing has changed and something still waits."""
    begun = changed = time.monotonic()
    quiet_since: float | None = None
    before: object = None
    while True:
        now = time.monotonic()
        try:
            waiting, progress = _look(state)
        except (httpx.HTTPError, SQLAlchemyError) as error:  # it is being started again
            waiting, progress = f"an answer: {type(error).__name__}", None
        if waiting:
            quiet_since = None
        elif now - (quiet_since := quiet_since or now) >= QUIET:
            say(f"at rest after {now - begun:.0f} s")
            return True
        if progress != before:
            before, changed = progress, now
        if now - changed > STANDSTILL or now - begun > LONGEST:
            say(f"not at rest after {now - begun:.0f} s, {now - changed:.0f} s without a change: waits for {waiting}")
            return False
        time.sleep(LOOK_EVERY)


def _look(state: State) -> tuple[str, object]:
    (found,) = state.rows(WAITING)
    (progress,) = state.rows(PROGRESS)
    runs, processes = waiting_runs(state.prefect), state.runs()
    counts = {**found, "runs in Prefect": len(runs), "processes of runs": len(processes)}
    at_work = sorted((run["id"], run["state"]["id"]) for run in runs)
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count), (progress, at_work)


def retry_what_failed(state: State, actions: Actions, say: Say) -> None:
    """Press Retry, once, for each upload that has failed or crashed."""
    for row in state.rows(
        "SELECT upload_id, uploads.state, message FROM gallery.uploads LEFT JOIN gallery.attempts"
        " USING (upload_id, attempt) WHERE uploads.state IN ('failed', 'crashed') ORDER BY accepted_seq"
    ):
        try:
            answer = actions.retry(row["upload_id"])
        except Refused as refused:
            answer = f"refused: {refused}"
        say(f"retry of {row['upload_id']}, which is {row['state']} ({row['message']}): {answer}")


def sweep_everything(state: State, environment: Mapping[str, str], say: Say) -> None:
    """Sweep as if all the days had passed for which anything is kept, once for each worker's disk."""
    with state.engine.begin() as connection:
        connection.execute(text("UPDATE gallery.outbox SET due_at = now() WHERE done_at IS NULL"))
    for folder in state.scratch:
        settings = load_settings({**environment, "GALLERY_SCRATCH_DIR": str(folder)})
        say(f"sweep: {sweep(settings, dry_run=False, now=datetime.now(UTC) + LATER).message}")
