"""What waits: for metrics and alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from gallery.catalogue.outbox import is_due_or_tried
from gallery.catalogue.tables import CallbackRow, OutboxRow, UploadRow


@dataclass(frozen=True, slots=True)
class Backlog:
    """Uploads by state; accepted uploads without a run; deletions that are due, and that storage refuses; callbacks
    that nobody has taken.
    """

    uploads: dict[str, int]
    starts_due: int
    outbox_due: int
    outbox_refused: int
    callbacks_due: int


def read_backlog(session: Session) -> Backlog:
    """Count."""

    def count(query: Select[Any]) -> int:
        return int(session.scalar(query) or 0)

    by_state = session.execute(select(UploadRow.state, func.count()).group_by(UploadRow.state))
    return Backlog(
        {row[0]: row[1] for row in by_state},
        count(
            select(func.count())
            .select_from(UploadRow)
            .where(UploadRow.state == "accepted", UploadRow.flow_run_id.is_(None))
        ),
        count(select(func.count()).select_from(OutboxRow).where(OutboxRow.done_at.is_(None), is_due_or_tried())),
        count(
            select(func.count())
            .select_from(OutboxRow)
            .where(OutboxRow.done_at.is_(None), OutboxRow.refusal.is_not(None))
        ),
        count(
            select(func.count())
            .select_from(CallbackRow)
            .where(CallbackRow.sent_at.is_(None), CallbackRow.given_up_at.is_(None))
        ),
    )
