"""The end of a flow run whose attempt was ended by others, or overtaken: it must not speak for the newer one."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from threading import Timer
from typing import Any, NoReturn
from uuid import UUID

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from gallery.errors import StaleAttempt, StaleUpkeep, TransientError
from gallery.ingest import stages
from gallery.settings import Settings

# Seconds that the last log lines may take to reach Prefect's server.
LAST_WORDS = 5


def end_stale_run(settings: Settings, flow_run_id: UUID, error: StaleAttempt) -> State[Any]:
    """Tell why this run stops, and end it.

    Where another flow run has taken over the upload, this one is `Cancelled`. Where it is the same one, retried in
    another process, any state that is proposed here would be taken for the retry's: this process then exits without a
    state, with status 0, so that its worker proposes none either. In a process that is not the run's own, raises
    `error`.
    """
    successor: UUID | None = flow_run_id
    with suppress(TransientError):
        successor = stages.current_run(settings, error.upload_id)
    if successor not in (None, flow_run_id):
        get_run_logger().warning("%s", error)
        return Cancelled(message=f"Overtaken by run {successor} of the same upload")
    return leave_to_the_newer(flow_run_id, error)


def leave_to_the_newer(flow_run_id: UUID, error: StaleAttempt | StaleUpkeep) -> NoReturn:
    """End this process without a state, or raise `error` where it is not this run's own."""
    get_run_logger().warning("%s", error)
    if os.environ.get("PREFECT__FLOW_RUN_ID") == str(flow_run_id):
        exit_without_a_state()
    raise error


def exit_without_a_state() -> NoReturn:
    """End this process now, with status 0, once what it has logged is sent."""
    deadline = Timer(LAST_WORDS, os._exit, (0,))
    deadline.daemon = True
    deadline.start()
    logging.shutdown()
    os._exit(0)
