"""The history of rebuilds and sweeps: a row an attempt of a flow run, written when it begins and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_alert
from gallery.catalogue.tables import MaintenanceRow
from gallery.errors import StaleUpkeep
from gallery.models import UploadState


@dataclass(frozen=True, slots=True)
class UpkeepAttempt:
    """One execution of the flow run of a rebuild or sweep, which alone may go on while it is the newest one."""

    flow_run_id: UUID
    number: int

    def hold(self, session: Session) -> None:
        """Make sure that it is the newest of its run, and running. Raises `StaleUpkeep`."""
        row = session.get(MaintenanceRow, (self.flow_run_id, self.number), populate_existing=True)
        if row is None or row.state != "running" or _newest(session, self.flow_run_id) != self.number:
            raise StaleUpkeep(f"attempt {self.number} has been ended or overtaken by a newer one, so it stops here")


def begin_maintenance(
    session: Session, *, flow_run_id: UUID, flow_name: str, gallery_id: str | None, requested_at: datetime | None
) -> UpkeepAttempt:
    """Note that a run has begun, or begun again. From the commit on, every older attempt of it is stale."""
    former = update(MaintenanceRow).where(MaintenanceRow.flow_run_id == flow_run_id, MaintenanceRow.state == "running")
    session.execute(
        former.values(state="crashed", message="it showed no end when the next attempt began", finished_at=func.now())
    )
    attempt = UpkeepAttempt(flow_run_id, (_newest(session, flow_run_id) or 0) + 1)
    session.add(
        MaintenanceRow(
            flow_run_id=flow_run_id,
            attempt=attempt.number,
            flow_name=flow_name,
            gallery_id=gallery_id,
            state="running",
            requested_at=requested_at,
        )
    )
    return attempt


def finish_maintenance(
    session: Session, attempt: UpkeepAttempt, state: UploadState, message: str, counts: Mapping[str, int]
) -> None:
    """Note how an attempt ended, by its own report. Raises `StaleUpkeep`.

    Called again after a commit whose answer was lost, it does nothing.
    """
    row = session.get_one(MaintenanceRow, (attempt.flow_run_id, attempt.number))
    if (row.state, row.message) != (state, message):
        attempt.hold(session)
        _end(session, row, state, message, counts)


def end_maintenance(session: Session, flow_run_id: UUID, state: UploadState, message: str) -> None:
    """Note how a run ended that could not do so itself, as Prefect has it; an end that is written stays."""
    row = session.get(MaintenanceRow, (flow_run_id, _newest(session, flow_run_id) or 0))
    if row is not None and row.state == "running":
        _end(session, row, state, message, {})


def _newest(session: Session, flow_run_id: UUID) -> int | None:
    return session.scalar(select(func.max(MaintenanceRow.attempt)).where(MaintenanceRow.flow_run_id == flow_run_id))


def _end(session: Session, row: MaintenanceRow, state: UploadState, message: str, counts: Mapping[str, int]) -> None:
    row.state, row.message, row.counts = state, message, dict(counts)
    row.finished_at = session.scalar(select(func.now()))
    if state in ("failed", "crashed"):
        queue_alert(session, "upkeep_failed", f"{row.flow_name} {state}: {message}")
