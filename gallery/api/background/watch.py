"""Watches over runs and workers: what ends without a word is written into the catalogue, and ops are told.

A run whose process and worker are killed together runs none of its hooks; Prefect's server finds out by itself (see
`deployments/automations.py`), and this finds out from the server.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import Engine

from gallery import runs
from gallery.api.background.restarts import restart_unplanned
from gallery.api.background.stuck import end_strays, settle_stuck, start_limit
from gallery.api.background.worker import Worker
from gallery.catalogue import attempts, uploads
from gallery.catalogue.attempts import RunUnderWay
from gallery.catalogue.callbacks import queue_alert
from gallery.catalogue.conditions import BUSY, DEPLOYMENT, OPEN, PLACES, PREFECT, WORKERS, note_condition
from gallery.catalogue.connect import transaction
from gallery.errors import NotFoundError, PrefectUnavailable, TransientError
from gallery.models import UploadState

log = logging.getLogger("gallery.api")
# Seconds between looks; each is a handful of requests to Prefect.
WATCH_EVERY = 10.0
# Seconds between looks after which this process has been away.
LONGEST_GAP = 6 * WATCH_EVERY
# Uploads in a row that cannot be settled, after which it is Prefect that has the trouble.
TROUBLES = 3
# Looks without an answer until Prefect counts as gone: a restart is none.
UNANSWERED_LOOKS = 3
# The automation waits 15 seconds and is evaluated every 5.
AUTOMATION_IS_LATE = timedelta(seconds=30)
TOO_LATE_TO_RETRY = timedelta(hours=1)


def watcher(engine: Engine, starts: Worker, start_minutes: float | None) -> Worker:
    """A worker that looks every `WATCH_EVERY` seconds; `start_minutes` as the setting of that name."""
    unanswered = 0
    # By the clock on the wall, which goes on while the whole machine sleeps.
    begun = last = time.time()

    def step() -> bool:
        nonlocal unanswered, begun, last
        now = time.time()
        begun, last = (begun if now - last < LONGEST_GAP else now), now
        try:
            pool = watch_pool(engine)
            settle_runs(engine, starts, start_limit(start_minutes, pool.pool_type), timedelta(seconds=now - begun))
            retry_crashed_runs(engine)
            restart_unplanned(engine, starts)
        except PrefectUnavailable:
            unanswered += 1
            if unanswered >= UNANSWERED_LOOKS:
                _note(engine, PREFECT, is_well=False, message="Prefect's server does not answer: no run is started")
            return False
        unanswered = 0
        _note(engine, PREFECT, is_well=True, message="Prefect's server answers again")
        return False

    return Worker("watch over runs", step, every=WATCH_EVERY)


def settle_runs(engine: Engine, starts: Worker, limit: timedelta, watched: timedelta) -> None:
    """Write the ends that only Prefect knows of, and take up the runs that are stuck for longer than `limit`; an upload
    whose run Prefect has lost before it began is started again. `watched` as in `settle_stuck`.

    Raises `PrefectUnavailable`: of one upload that cannot be settled once the others are.
    """
    with transaction(engine) as session:
        under_way = attempts.runs_under_way(session)
    found = runs.look_at({run.flow_run_id for run in under_way}) if under_way else {}
    troubles: list[PrefectUnavailable | TransientError] = []
    for run in under_way:
        seen = found[run.flow_run_id]
        try:
            if seen is None or seen.end is not None:
                _end(engine, run, seen.end if seen else None, starts)
            else:
                settle_stuck(engine, run, seen, limit, watched)
        except (PrefectUnavailable, TransientError) as error:
            log.warning("upload %s: %s", run.upload_id, error, extra={"upload_id": run.upload_id})
            troubles.append(error)
            if len(troubles) == TROUBLES:
                break
    else:
        end_strays(engine, found.keys(), limit)
    if troubles:
        raise troubles[0]


def _end(engine: Engine, run: RunUnderWay, end: tuple[UploadState, str] | None, starts: Worker) -> None:
    with transaction(engine) as session:
        if end is not None:
            written = attempts.end_unheard(session, run, *end)
        elif written := uploads.start_anew(session, run):
            starts.wake()
        else:
            written = attempts.end_unheard(session, run, "crashed", "Prefect does not know the run any more")
    if written:
        log.warning(
            "upload %s: run %s %s",
            run.upload_id,
            run.flow_run_id,
            f"had ended unheard: {end[0]}" if end else "is not known to Prefect any more",
            extra={"upload_id": run.upload_id},
        )


def retry_crashed_runs(engine: Engine) -> None:
    """Do what Prefect's automation should have done by now. Raises `PrefectUnavailable`."""
    with transaction(engine) as session:
        crashed = attempts.crashed_runs(session, after=AUTOMATION_IS_LATE, until=TOO_LATE_TO_RETRY)
    for run_id in runs.retry_first_crashes(crashed) if crashed else ():
        log.warning("run %s had crashed: it is retried, once", run_id)


def watch_pool(engine: Engine) -> runs.PoolState:
    """Note what keeps uploads waiting: no worker or no deployment, which alert ops; a pause or a full queue, which they
    chose.

    Returns the pool's state. Raises `PrefectUnavailable`.
    """
    try:
        pool = runs.pool_state()
    except NotFoundError:
        pool = runs.PoolState(is_paused=False, has_worker=False, has_place=True)
    message = (
        f"a worker of pool {runs.POOL} is there again"
        if pool.has_worker
        else f"no worker of pool {runs.POOL} gives a sign of life: uploads wait"
    )
    _note(engine, WORKERS, is_well=pool.has_worker, message=message)
    message = (
        f"deployment {runs.DEPLOYMENT} is there again"
        if pool.has_deployment
        else f"Prefect has no deployment {runs.DEPLOYMENT}: uploads wait; run `gallery setup`"
    )
    _note(engine, DEPLOYMENT, is_well=pool.has_deployment, message=message)
    with transaction(engine) as session:
        note_condition(session, OPEN, is_well=not pool.is_paused)
        note_condition(session, PLACES, is_well=pool.has_place)
        note_condition(session, BUSY, is_well=pool.is_busy)
    return pool


def _note(engine: Engine, name: str, *, is_well: bool, message: str) -> None:
    with transaction(engine) as session:
        if note_condition(session, name, is_well=is_well):
            queue_alert(session, f"{name}_{'back' if is_well else 'gone'}", message)
            log.log(logging.INFO if is_well else logging.WARNING, "%s", message)
