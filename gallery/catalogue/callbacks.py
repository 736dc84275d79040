"""Callbacks: what the application is told of an upload's end, and ops of what needs them; sent until it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.locks import claimed, lock_last_callback
from gallery.catalogue.status import read_status
from gallery.catalogue.tables import CallbackRow, UploadRow
from gallery.errors import ConflictError
from gallery.models import FINAL_STATES, Audience, UploadState

# The schedule of https://github.com/standard-webhooks/standard-webhooks: about three days in all.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
UNWANTED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Callback:
    """A message that is due. With an upload, `body` is its status when it ended, without the run's address."""

    callback_id: UUID
    upload_id: str | None
    type: str
    body: dict[str, Any]
    created_at: datetime
    tries: int


def queue_callback(session: Session, upload_id: str, state: UploadState) -> None:
    """Queue the message that an upload has ended in `state`, in the transaction that ends it."""
    good = state in ("completed", "completed_with_rejects")
    session.flush()
    body = {**read_status(session, upload_id).document(), "state": state}
    session.add(CallbackRow(upload_id=upload_id, type="upload.completed" if good else "upload.failed", body=body))


def queue_run_alert(session: Session, upload: UploadRow, kind: str, message: str) -> None:
    """Queue an alert about how a run of an upload ended, in the transaction that ends it: `alert.{kind}`."""
    session.flush()
    body = {**read_status(session, upload.upload_id).document(), "message": message}
    session.add(CallbackRow(upload_id=upload.upload_id, audience="ops", type=f"alert.{kind}", body=body))


def queue_alert(session: Session, kind: str, message: str) -> None:
    """Queue an alert that is about no upload: `alert.{kind}`."""
    session.add(CallbackRow(audience="ops", type=f"alert.{kind}", body={"message": message}))


def claim_due_callbacks(session: Session, *, audience: Audience = "application", limit: int = 1) -> list[Callback]:
    """Take messages that are due; each comes up again, later, unless `sent`.

    Several may ask at once: nobody waits, and nobody gets what another has just taken.
    """
    rows = (
        select(CallbackRow)
        .where(
            CallbackRow.audience == audience,
            CallbackRow.sent_at.is_(None),
            CallbackRow.given_up_at.is_(None),
            CallbackRow.due_at <= func.now(),
        )
        .order_by(CallbackRow.due_at)
        .limit(limit)
    )
    due = []
    for row in session.scalars(claimed(rows)):
        row.due_at = func.now() + PAUSES[min(row.tries, len(PAUSES) - 1)]
        row.tries += 1
        due.append(Callback(row.callback_id, row.upload_id, row.type, row.body, row.created_at, row.tries))
    return due


def sent(session: Session, callback: Callback) -> None:
    """Note that a message was taken."""
    session.execute(
        update(CallbackRow)
        .where(CallbackRow.callback_id == callback.callback_id)
        .values(sent_at=func.now(), last_error=None)
    )


def refused(session: Session, callback: Callback, error: str) -> None:
    """Note why a message was not taken; after the last of `PAUSES` it is given up, until it is replayed."""
    values: dict[str, Any] = {"last_error": error}
    if callback.tries > len(PAUSES):
        values["given_up_at"] = func.now()
    session.execute(update(CallbackRow).where(CallbackRow.callback_id == callback.callback_id).values(values))


def discard_callbacks(session: Session, audience: Audience) -> None:
    """Forget what nobody has wanted to be told for a day: it must not all come years later.

    Not at once: while the setting is rolled out, some processes have it and others do not.
    """
    session.execute(
        delete(CallbackRow).where(
            CallbackRow.audience == audience,
            CallbackRow.sent_at.is_(None),
            CallbackRow.created_at < func.now() - UNWANTED_AFTER,
        )
    )


def replay_callback(session: Session, upload_id: str) -> None:
    """Send an upload's last message again, under the same id; raises `ConflictError` where it has not ended."""
    status = read_status(session, upload_id)
    if status.state not in FINAL_STATES:
        raise ConflictError(f"upload {upload_id} is {status.state}: there is nothing to report yet")
    last = lock_last_callback(session, upload_id)
    if last is None:
        queue_callback(session, upload_id, status.state)
        return
    last.sent_at = last.given_up_at = None
    last.tries, last.due_at = 0, func.now()
