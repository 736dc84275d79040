"""What an upload under way waits for, and how many uploads are before it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from gallery.catalogue.conditions import OPEN, PLACES, PREFECT, WORKERS, list_unwell
from gallery.catalogue.tables import UploadRow
from gallery.models import WaitsFor

# What uploads wait for while a condition is not well. The first that applies is told: nothing behind it helps.
OBSTACLES: tuple[tuple[str, WaitsFor], ...] = (
    (PREFECT, "prefect"),
    (OPEN, "paused"),
    (WORKERS, "worker"),
    (PLACES, "place"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an upload waits for. `uploads_before` counts the running uploads and those that will start before it."""

    waits_for: WaitsFor
    uploads_before: int


def read_waiting(session: Session, row: UploadRow) -> Waiting | None:
    """Read what an upload waits for; `None` unless it is `accepted`, or its run is paused."""
    if row.paused_at is not None and row.state in ("accepted", "running"):
        return Waiting("paused", 0)
    if row.state != "accepted":
        return None
    # Prefect hands out runs in the order of the times they were scheduled for: at acceptance, or by a retry.
    due_at = func.coalesce(UploadRow.retry_requested_at, UploadRow.accepted_at)
    is_earlier = tuple_(due_at, UploadRow.accepted_seq) < (row.retry_requested_at or row.accepted_at, row.accepted_seq)
    query = select(
        func.count().filter(UploadRow.state == "running"),
        func.count().filter(UploadRow.state == "accepted", is_earlier),
    ).where(UploadRow.state.in_(("accepted", "running")))
    running, earlier = session.execute(query).one()
    return Waiting(_waits_for(row, list_unwell(session), earlier), running + earlier)


def _waits_for(row: UploadRow, unwell: Collection[str], earlier: int) -> WaitsFor:
    if row.restart_after is not None:
        return "restart"
    if row.flow_run_id is None and row.start_tries > 1:
        # Prefect may answer and still not create the run, for example without a deployment.
        return "prefect"
    for condition, waits_for in OBSTACLES:
        if condition in unwell:
            return waits_for
    # Conditions are some seconds old: an upload with others before it is not next, whatever they say.
    return "place" if earlier else "start"
