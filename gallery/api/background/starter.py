"""Starts the runs of accepted uploads."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from sqlalchemy import Engine

from gallery import runs
from gallery.api.background.worker import Worker
from gallery.catalogue import uploads
from gallery.catalogue.connect import transaction
from gallery.errors import NotFoundError

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
        request = due[0]
        failed = True
        flow_run_id = prefect.start(request)
        if request.is_cancelled:
            with suppress(NotFoundError):
                runs.cancel_run(flow_run_id)
        failed = False
        with transaction(engine) as session:
            uploads.started(session, request, flow_run_id)
        log.info("upload %s: run %s", request.upload_id, flow_run_id, extra={"upload_id": request.upload_id})
        time.sleep(BETWEEN_STARTS)
        return True

    return Worker("starter of runs", step, close=prefect.close)
