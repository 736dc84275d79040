"""The history of rebuilds and sweeps: a row an attempt of a flow run, written when it begins and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_alert
from gallery.catalogue.tables import MaintenanceRow
from gallery.models import UploadState


def begin_maintenance(
    session: Session, *, flow_run_id: UUID, flow_name: str, gallery_id: str | None, requested_at: datetime | None
) -> None:
    """Note that a run has begun, or begun again."""
    newest = session.scalar(select(func.max(MaintenanceRow.attempt)).where(MaintenanceRow.flow_run_id == flow_run_id))
    session.add(
        MaintenanceRow(
            flow_run_id=flow_run_id,
            attempt=(newest or 0) + 1,
            flow_name=flow_name,
            gallery_id=gallery_id,
            state="running",
            requested_at=requested_at,
        )
    )


def end_maintenance(
    session: Session, flow_run_id: UUID, state: UploadState, message: str, counts: Mapping[str, int] | None = None
) -> None:
    """Note how a run ended, and alert ops of a failure; an end that is written stays."""
    ended = session.scalars(
        update(MaintenanceRow)
        .where(MaintenanceRow.flow_run_id == flow_run_id, MaintenanceRow.state == "running")
        .values(state=state, message=message, finished_at=func.now(), counts=dict(counts or {}))
        .returning(MaintenanceRow.flow_name)
    ).all()
    if ended and state in ("failed", "crashed"):
        queue_alert(session, "upkeep_failed", f"{ended[0]} {state}: {message}")
