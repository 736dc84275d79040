"""Attempts: who may write. The newest attempt of an upload alone; every older one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_callback, queue_run_alert
from gallery.catalogue.claims import IsGone, count_unfinished, end_claims, has_live_owner, has_owner, join
from gallery.catalogue.counts import Counts, count_outcomes
from gallery.catalogue.history import last_written_at, tally_attempt, tally_upload
from gallery.catalogue.locks import find_and_lock_upload, lock_attempt, lock_upload
from gallery.catalogue.tables import AttemptRow, GalleryRow, OwnerRow, UploadRow
from gallery.errors import ConflictError, NotFoundError
from gallery.models import FINAL_STATES, Attempt, UploadState

# Pauses before an attempt is made again that could not plan: storage or database did not answer, or a setting is
# wrong. After the last one it is for people to go on.
RESTARTS = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 480))


def begin_attempt(
    session: Session,
    *,
    gallery_id: str,
    upload_id: str | None,
    flow_run_id: UUID | None,
    force: bool = False,
    scheduled_at: datetime | None = None,
    is_first_of_api: bool = False,
    host: str = "",
    process_id: int = 0,
    is_gone: IsGone | None = None,
) -> Attempt:
    """Begin the next attempt of an upload (`None`: the one that this run has worked on before, else the latest accepted
    one of the gallery).

    From the commit on, every older attempt's writes are refused. For the history: `scheduled_at` is when Prefect was
    asked for the run, and `is_first_of_api` whether the API has created it and nobody has retried it. `host` and
    `process_id` are those of the process that begins it, `is_gone` tells which others have ended.

    Raises `NotFoundError` for an unknown gallery or upload, `ConflictError` for an upload that was never completed.
    """
    upload_id = upload_id or _upload_of_run(session, gallery_id, flow_run_id)
    wanted = UploadRow.accepted_seq.is_not(None) if upload_id is None else UploadRow.upload_id == upload_id
    row = find_and_lock_upload(session, UploadRow.gallery_id == gallery_id, wanted)
    if row is None:
        raise NotFoundError(_unknown(session, gallery_id, upload_id))
    if row.accepted_seq is None:
        raise ConflictError(f"upload {row.upload_id} is {row.state}: it was never completed, so nothing is ingested")
    _close_lost(session, row, is_gone)
    following = _following(session, row, flow_run_id, scheduled_at, is_first_of_api=is_first_of_api)
    session.add(following)
    leave_end(row, "running")
    row.attempt = following.attempt
    row.flow_run_id = flow_run_id
    row.retry_requested_at = row.retry_requested_by = None
    session.flush()
    end_claims(session, row.upload_id)
    first_of_run = session.scalar(
        select(func.min(AttemptRow.attempt)).where(
            AttemptRow.upload_id == row.upload_id, AttemptRow.flow_run_id == flow_run_id
        )
    )
    attempt = Attempt(
        row.upload_id,
        gallery_id,
        row.attempt,
        row.accepted_seq,
        row.image_count,
        force,
        first_of_run or row.attempt,
    )
    join(session, attempt, flow_run_id=flow_run_id, host=host, process_id=process_id)
    return attempt


def _upload_of_run(session: Session, gallery_id: str, flow_run_id: UUID | None) -> str | None:
    """What a run that is repeated has worked on: a later upload of the gallery has a run of its own."""
    if flow_run_id is None:
        return None
    return session.scalar(
        select(AttemptRow.upload_id)
        .join(UploadRow, UploadRow.upload_id == AttemptRow.upload_id)
        .where(UploadRow.gallery_id == gallery_id, AttemptRow.flow_run_id == flow_run_id)
        .limit(1)
    )


def leave_end(row: UploadRow, state: Literal["accepted", "running"]) -> None:
    """Put an upload under way, and remember the state that it had ended in. The caller has locked its row."""
    if row.state in FINAL_STATES:
        row.former_state = row.state
    row.state, row.finished_at, row.restart_after, row.paused_at = state, None, None, None


def take_back(session: Session, row: UploadRow) -> None:
    """Have an upload wait for its next attempt: no process works on its newest one. The caller has locked its row."""
    _close_lost(session, row)
    end_claims(session, row.upload_id)
    leave_end(row, "accepted")


def _following(
    session: Session,
    row: UploadRow,
    flow_run_id: UUID | None,
    scheduled_at: datetime | None,
    *,
    is_first_of_api: bool,
) -> AttemptRow:
    """The next attempt's row: the upload's own start, a retry through the API, or something done in Prefect."""
    # Of a run that is retried, Prefect goes on naming the time that it was first scheduled for.
    trigger, requested_by, requested_at = "ui", None, scheduled_at if row.flow_run_id != flow_run_id else None
    if row.retry_requested_at is not None:
        trigger, requested_by, requested_at = "api", row.retry_requested_by, row.retry_requested_at
    elif row.attempt == 0 and (is_first_of_api or row.flow_run_id in (None, flow_run_id)):
        trigger, requested_by, requested_at = row.trigger, row.requested_by, row.accepted_at
    elif is_first_of_api and (former := session.get(AttemptRow, (row.upload_id, row.attempt))) is not None:
        # It has taken the place of a run that did not go on, or was thought not to.
        trigger, requested_by, requested_at = former.trigger, former.requested_by, former.requested_at
    return AttemptRow(
        upload_id=row.upload_id,
        attempt=row.attempt + 1,
        flow_run_id=flow_run_id,
        state="running",
        trigger=trigger,
        requested_by=requested_by,
        requested_at=requested_at,
    )


def _close_lost(session: Session, row: UploadRow, is_gone: IsGone | None = None) -> None:
    """Write the end of a former attempt whose process can no longer do so: no past attempt stays `running`."""
    lost = session.get(AttemptRow, (row.upload_id, row.attempt)) if row.attempt else None
    if lost is not None and lost.finished_at is None:
        if not has_owner(session, row.upload_id, row.attempt):
            lost.state, lost.message = "cancelled", "it stopped before all was done, as when a run is suspended"
        elif has_live_owner(session, row.upload_id, row.attempt, is_gone):
            lost.state, lost.message = "cancelled", "overtaken by the next attempt while it was at work"
        else:
            lost.state, lost.message = "crashed", "it showed no progress any more when the next attempt began"
        lost.finished_at = last_written_at(session, row.upload_id, row.attempt, lost.started_at)
        tally_attempt(session, row.upload_id, row.attempt)


def _unknown(session: Session, gallery_id: str, upload_id: str | None) -> str:
    if session.get(GalleryRow, gallery_id) is None:
        return f"gallery {gallery_id!r} is not known: nothing was ever uploaded for it"
    if upload_id is None:
        return f"gallery {gallery_id!r} has no completed upload"
    return f"gallery {gallery_id!r} has no upload {upload_id!r}"


def finish_attempt(session: Session, attempt: Attempt, state: UploadState, message: str) -> None:
    """Write how an attempt ended, for the upload and for the history. All that it had to do is done.

    Called again after a commit whose answer was lost, it does nothing. Raises `StaleAttempt`.
    """
    if (row := _lock_to_end(session, attempt, state, message)) is None:
        return
    if left := count_unfinished(session, attempt):
        raise ConflictError(f"upload {attempt.upload_id}, attempt {attempt.number}: {left} images are not done yet")
    _end(session, row, state, message, is_report=True)


def give_up(session: Session, attempt: Attempt, message: str) -> None:
    """Write that an attempt stops before all is done. Otherwise as `finish_attempt`."""
    if (row := _lock_to_end(session, attempt, "failed", message)) is not None:
        _end(session, row, "failed", message)


def _lock_to_end(session: Session, attempt: Attempt, state: UploadState, message: str) -> UploadRow | None:
    row = lock_upload(session, attempt.upload_id)
    written = session.get_one(AttemptRow, (attempt.upload_id, attempt.number))
    if row.attempt == attempt.number and (written.state, written.message) == (state, message):
        return None
    lock_attempt(session, attempt)
    return row


def end_run(
    session: Session, flow_run_id: UUID, state: UploadState, message: str, *, is_gone: IsGone | None = None
) -> None:
    """Write the end of a run, as Prefect has it, that could not do so itself. Does nothing once it has ended.

    Prefect names the run alone, which a retry keeps: a worker may report the crash of a process after another has begun
    the next attempt. So `crashed` and `failed` end an attempt only where no process works on it; `is_gone` tells of
    processes that have ended without leaving.
    """
    row = find_and_lock_upload(session, UploadRow.flow_run_id == flow_run_id)
    if row is None or _is_echo(session, row) or not _may_end(session, row, state, is_gone):
        return
    _end(session, row, state, message)


def _is_echo(session: Session, row: UploadRow) -> bool:
    """Whether a run tells once more of an end that is written, and after which its retry has been accepted.

    What becomes of the retry before it begins, no process tells; the watch over runs finds it.
    """
    awaits_retry = row.state == "accepted" and row.restart_after is None
    newest = session.get(AttemptRow, (row.upload_id, row.attempt)) if awaits_retry else None
    return newest is not None and newest.flow_run_id == row.flow_run_id and newest.finished_at is not None


def _may_end(session: Session, row: UploadRow, state: UploadState, is_gone: IsGone | None = None) -> bool:
    if row.state == "accepted":
        # A run that could not plan is told of once; its upload waits for the next one.
        return row.restart_after is None or state == "cancelled"
    if state == "cancelled":
        return row.state == "running"
    return row.state == "running" and not has_live_owner(session, row.upload_id, row.attempt, is_gone)


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """An upload whose run should be scheduled or running, as of attempt `attempt`.

    `silence`: how long ago the last lease of the attempt has run out, negative while one lives; endless without any.
    `state` and `retry_requested_at` are the upload's: once they have changed, what Prefect said before is of the past.
    """

    upload_id: str
    attempt: int
    flow_run_id: UUID
    silence: timedelta
    is_paused: bool
    state: UploadState
    retry_requested_at: datetime | None

    def is_still(self, row: UploadRow) -> bool:
        """Whether nothing has come of the upload since."""
        now = (row.attempt, row.flow_run_id, row.state, row.retry_requested_at)
        return now == (self.attempt, self.flow_run_id, self.state, self.retry_requested_at)


def runs_under_way(session: Session) -> list[RunUnderWay]:
    """Every upload that waits for its run's end."""
    leases = (
        select(OwnerRow.upload_id, OwnerRow.attempt, func.max(OwnerRow.lease_until).label("lease_until"))
        .group_by(OwnerRow.upload_id, OwnerRow.attempt)
        .subquery()
    )
    is_newest = and_(leases.c.upload_id == UploadRow.upload_id, leases.c.attempt == UploadRow.attempt)
    rows = session.execute(
        select(
            UploadRow.upload_id,
            UploadRow.attempt,
            UploadRow.flow_run_id,
            func.clock_timestamp() - leases.c.lease_until,
            UploadRow.paused_at.is_not(None),
            UploadRow.state,
            UploadRow.retry_requested_at,
        )
        .outerjoin(leases, is_newest)
        .where(
            UploadRow.state.in_(("accepted", "running")),
            UploadRow.flow_run_id.is_not(None),
            UploadRow.restart_after.is_(None),
        )
    )
    return [
        RunUnderWay(upload_id, attempt, run_id, timedelta.max if silence is None else silence, *others)
        for upload_id, attempt, run_id, silence, *others in rows
        if run_id is not None
    ]


def crashed_runs(session: Session, *, after: timedelta, until: timedelta) -> list[UUID]:
    """The runs of uploads whose newest attempt has been `crashed` for so long, and not for longer than `until`, and
    that are not under way: whatever state the upload itself has by its entries.
    """
    rows = session.scalars(
        select(UploadRow.flow_run_id)
        .join(AttemptRow, and_(AttemptRow.upload_id == UploadRow.upload_id, AttemptRow.attempt == UploadRow.attempt))
        .where(
            AttemptRow.state == "crashed",
            AttemptRow.finished_at.between(func.now() - until, func.now() - after),
            UploadRow.state.not_in(("accepted", "running")),
            UploadRow.flow_run_id.is_not(None),
        )
    )
    return [row for row in rows if row is not None]


def end_unheard(session: Session, run: RunUnderWay, state: UploadState, message: str) -> bool:
    """Write the end of a run that nobody has reported, unless there is one by now, another attempt has begun or a
    process works on it (see `end_run`).
    """
    row = find_and_lock_upload(session, UploadRow.upload_id == run.upload_id)
    if row is None or not run.is_still(row):
        return False
    if not _may_end(session, row, state):
        return False
    _end(session, row, state, message)
    return True


def cancel(session: Session, upload: UploadRow) -> None:
    """Write that an upload is cancelled on which no process works. The caller has locked its row."""
    begun = upload.state == "running"
    _end(session, upload, "cancelled", "cancelled through the API" if begun else "cancelled before it began")


def _end(session: Session, row: UploadRow, end: UploadState, message: str, *, is_report: bool = False) -> None:
    """Write the end of an upload's newest attempt (by its own report, or not), or of a run that did not begin one.

    The upload's state is that of its entries; only while some have no outcome, it is the attempt's.
    """
    has_begun = row.state == "running"
    end_claims(session, row.upload_id)
    newest = session.get(AttemptRow, (row.upload_id, row.attempt)) if has_begun else None
    if newest is not None and newest.finished_at is None:
        newest.state, newest.message = end, message
        newest.finished_at = session.scalar(select(func.now()))
    session.flush()
    tally_attempt(session, row.upload_id, row.attempt)
    tally_upload(session, row.upload_id)
    row.finished_at, row.restart_after = session.scalar(select(func.now())), None
    row.retry_requested_at = row.retry_requested_by = None
    found_out = is_report or (newest is not None and newest.planned_at is not None)
    row.unplanned = row.unplanned + 1 if end in ("failed", "crashed") and not found_out else 0
    if 0 < row.unplanned <= len(RESTARTS):
        row.state = row.former_state or "accepted"
        row.restart_after = session.scalar(select(func.now() + RESTARTS[row.unplanned - 1]))
        queue_run_alert(session, row, "run_not_begun", message)
        return
    row.unplanned = 0
    row.state = _state_of(count_outcomes(session, row.upload_id), end)
    if row.state != row.former_state:
        queue_callback(session, row.upload_id, row.state)
    if end in ("failed", "crashed"):
        queue_run_alert(session, row, f"run_{end}", message)


def _state_of(counts: Counts, end: UploadState) -> UploadState:
    if counts.pending:
        return end
    if counts["failed"]:
        return "failed"
    return "completed_with_rejects" if counts["rejected"] else "completed"


def due_restarts(session: Session, *, limit: int = 20) -> list[str]:
    """Uploads whose last attempt could not plan, and that are to be tried again by now."""
    due = select(UploadRow.upload_id).where(UploadRow.restart_after <= func.now())
    return list(session.scalars(due.order_by(UploadRow.restart_after).limit(limit)))
