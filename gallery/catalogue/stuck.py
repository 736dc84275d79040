"""Uploads whose runs do not go on: taken up again a limited number of times, or noted as paused."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Interval, func, select, type_coerce, union_all
from sqlalchemy.orm import Session

from gallery.catalogue.attempts import RESTARTS, RunUnderWay, take_back
from gallery.catalogue.callbacks import queue_run_alert
from gallery.catalogue.claims import has_live_owner
from gallery.catalogue.locks import find_and_lock_upload
from gallery.catalogue.tables import AttemptRow, CallbackRow, MaintenanceRow, UploadRow

# Until the run that takes over is due: each one before it has had its time.
PAUSES = (timedelta(0), *RESTARTS[:-1])


def lock_stuck(session: Session, run: RunUnderWay) -> UploadRow | None:
    """The upload's row, locked; `None` where another run or attempt has begun meanwhile, or a process works on it."""
    is_under_way = UploadRow.state.in_(("accepted", "running"))
    row = find_and_lock_upload(session, UploadRow.upload_id == run.upload_id, is_under_way)
    if row is None or not run.is_still(row):
        return None
    return None if has_live_owner(session, row.upload_id, row.attempt) else row


def next_pause(row: UploadRow) -> timedelta | None:
    """How long until the next run of an upload is due; `None` once as many as may be have not begun."""
    return PAUSES[row.unplanned] if row.unplanned < len(PAUSES) else None


def take_up(session: Session, row: UploadRow, flow_run_id: UUID, message: str) -> None:
    """Have another run take over an upload, count it, and alert ops. The caller has locked its row."""
    take_back(session, row)
    row.flow_run_id = flow_run_id
    row.unplanned += 1
    queue_run_alert(session, row, "run_stuck", message)


def idle_for(session: Session, flow_run_id: UUID) -> timedelta:
    """How long ago a run's last attempt ended, of an ingest or of upkeep: negative while one is running, and
    `timedelta.max` where none has begun.
    """
    rows = union_all(
        *(
            select(table.state, type_coerce(func.now() - table.finished_at, Interval)).where(
                table.flow_run_id == flow_run_id
            )
            for table in (AttemptRow, MaintenanceRow)
        )
    )
    ages = [timedelta(seconds=-1) if state == "running" else age for state, age in session.execute(rows)]
    return min((age for age in ages if age is not None), default=timedelta.max)


def note_pause(session: Session, run: RunUnderWay, *, is_paused: bool) -> None:
    """Note that an upload's run is paused in Prefect, without a process, or is so no longer."""
    row = lock_stuck(session, run)
    if row is not None and (row.paused_at is not None) != is_paused:
        row.paused_at = session.scalar(select(func.now())) if is_paused else None


def tell_paused(session: Session, run: RunUnderWay, message: str) -> bool:
    """Alert ops of an upload's run that is paused, once a pause; whether that was done now."""
    row = lock_stuck(session, run)
    if row is None or row.paused_at is None:
        return False
    told = select(CallbackRow.callback_id).where(
        CallbackRow.upload_id == row.upload_id,
        CallbackRow.type == "alert.run_stuck",
        CallbackRow.created_at >= row.paused_at,
    )
    if session.scalar(select(told.exists())):
        return False
    queue_run_alert(session, row, "run_stuck", message)
    return True


def was_overtaken(session: Session, waited: timedelta) -> bool:
    """Whether an attempt has begun that was requested later than `waited` ago."""
    since = func.clock_timestamp() - waited
    later = (AttemptRow.started_at > since) & (AttemptRow.requested_at > since)
    return session.scalar(select(AttemptRow.upload_id).where(later).limit(1)) is not None
