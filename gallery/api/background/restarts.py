"""Runs an upload again: at a caller's request, and where a run could not even find out what there was to do."""

from __future__ import annotations

import logging
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gallery import runs
from gallery.api.background.worker import Worker
from gallery.catalogue import attempts, uploads
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_upload
from gallery.catalogue.tables import UploadRow
from gallery.errors import ConflictError, NotFoundError, PrefectUnavailable
from gallery.runs import Replaced

log = logging.getLogger("gallery.api")


def run_again(session: Session, row: UploadRow, requested_by: str) -> Replaced | None:
    """Have what is left of an upload done, on which no process works. Leaves it alone where its run is about to start.

    Returns a run that is to be ended (`runs.end_replaced`) once the transaction is committed.

    The caller has locked the row and keeps it locked while Prefect is asked: two at the same time make one retry, and a
    run cannot begin in between. Raises `ConflictError` where Prefect refuses the retry, `PrefectUnavailable`.
    """
    waits = row.state == "accepted" and row.restart_after is None
    replaced = None
    if row.flow_run_id is not None:
        state = "failed" if row.restart_after else row.state
        try:
            continuation = runs.retry_run(row.flow_run_id, row.upload_id, state)
        except NotFoundError:
            # Prefect keeps runs for a while only.
            uploads.forget_run(session, row)
        else:
            if continuation is None and waits:
                return None
            if continuation is not None:
                row.flow_run_id, replaced = continuation.flow_run_id, continuation.replaces
    elif waits:
        return None
    attempts.take_back(session, row)
    uploads.await_retry(row, requested_by)
    return replaced


def end_former(replaced: Replaced | None) -> None:
    """End the run that `run_again` has replaced, if any, once that is committed.

    What is stored counts: where Prefect does not answer just now, that run is overtaken as soon as it begins.
    """
    if replaced is not None:
        with suppress(PrefectUnavailable):
            runs.end_replaced(replaced)


def restart_unplanned(engine: Engine, starts: Worker) -> None:
    """Run those uploads again whose last attempt could not plan, once their pause is over.

    Raises `PrefectUnavailable`.
    """
    with transaction(engine) as session:
        due = attempts.due_restarts(session)
    for upload_id in due:
        try:
            with transaction(engine) as session:
                row = lock_upload(session, upload_id)
                if row.restart_after is None:  # another process of the API, or a caller, has done it
                    continue
                replaced = run_again(session, row, row.requested_by)
            if replaced is not None:
                runs.end_replaced(replaced)
        except ConflictError as error:
            # Its end has not reached Prefect yet, or somebody has retried it there.
            log.info("upload %s is not run again: %s", upload_id, error, extra={"upload_id": upload_id})
            continue
        starts.wake()
        log.warning("upload %s: its run could not begin, and is tried again", upload_id, extra={"upload_id": upload_id})
