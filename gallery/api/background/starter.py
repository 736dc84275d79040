"""Starts the runs of accepted uploads."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Engine

from gallery import runs
from gallery.api.background.worker import Worker
from gallery.catalogue import uploads
from gallery.catalogue.connect import transaction

log = logging.getLogger("gallery.api")
# Seconds from one start to the next. A burst of uploads makes no haste: few of their runs may work at the same time,
# and Prefect's server, which takes 50 ms of a processor for each, has those to record that do.
BETWEEN_STARTS = 0.1


def starter(engine: Engine) -> Worker:
    """Starts the runs of accepted uploads."""
    prefect = runs.RunStarter()
    failed = False

    def step() -> bool:
        nonlocal failed
        if failed:
            # Take nothing that another process, which reaches Prefect, could start at once.
            runs.check_reachable()
            failed = False
        with transaction(engine) as session:
            due = uploads.claim_due_starts(session, limit=1)
        if not due:
            return False
        upload_id = due[0].upload_id
        failed = True
        flow_run_id = prefect.start(due[0])
        failed = False
        with transaction(engine) as session:
            state = uploads.started(session, upload_id, flow_run_id)
        log.info("upload %s: run %s", upload_id, flow_run_id, extra={"upload_id": upload_id})
        if state == "cancelled":
            runs.cancel_run(flow_run_id)
        time.sleep(BETWEEN_STARTS)
        return True

    return Worker("starter of runs", step, close=prefect.close)
