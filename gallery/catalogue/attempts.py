"""Attempts: who may write. The newest attempt of an upload alone; every older one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from gallery.catalogue.callbacks import queue_callback
from gallery.catalogue.claims import IsGone, count_unfinished, end_claims, has_live_owner, join
from gallery.catalogue.history import last_written_at, tally_attempt, tally_upload
from gallery.catalogue.locks import find_and_lock_upload, lock_attempt, lock_upload
from gallery.catalogue.tables import AttemptRow, GalleryRow, UploadRow
from gallery.errors import ConflictError, NotFoundError
from gallery.models import Attempt, UploadState


def begin_attempt(
    session: Session,
    *,
    gallery_id: str,
    upload_id: str | None,
    flow_run_id: UUID | None,
    force: bool = False,
    scheduled_at: datetime | None = None,
    host: str = "",
    process_id: int = 0,
) -> Attempt:
    """Begin the next attempt of an upload (`None`: the gallery's latest accepted one).

    From the commit on, every older attempt's writes are refused. `scheduled_at` is when Prefect was asked for the
    run, for the history; `host` and `process_id` are those of the process that begins it.

    Raises `NotFoundError` for an unknown gallery or upload, `ConflictError` for an upload that was never completed.
    """
    wanted = UploadRow.accepted_seq.is_not(None) if upload_id is None else UploadRow.upload_id == upload_id
    row = find_and_lock_upload(session, UploadRow.gallery_id == gallery_id, wanted)
    if row is None:
        raise NotFoundError(_unknown(session, gallery_id, upload_id))
    if row.accepted_seq is None:
        raise ConflictError(f"upload {row.upload_id} is {row.state}: it was never completed, so nothing is ingested")
    _close_lost(session, row)
    following = _following(row, flow_run_id, scheduled_at)
    session.add(following)
    row.attempt = following.attempt
    row.state = "running"
    row.flow_run_id = flow_run_id
    row.finished_at = row.retry_requested_at = row.retry_requested_by = None
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


def _following(row: UploadRow, flow_run_id: UUID | None, scheduled_at: datetime | None) -> AttemptRow:
    """The next attempt's row: the upload's own start, a retry through the API, or something done in Prefect."""
    # Of a run that is retried, Prefect goes on naming the time that it was first scheduled for.
    trigger, requested_by, requested_at = "ui", None, scheduled_at if row.flow_run_id != flow_run_id else None
    if row.retry_requested_at is not None:
        trigger, requested_by, requested_at = "api", row.retry_requested_by, row.retry_requested_at
    elif row.attempt == 0 and row.flow_run_id in (None, flow_run_id):
        trigger, requested_by, requested_at = row.trigger, row.requested_by, row.accepted_at
    return AttemptRow(
        upload_id=row.upload_id,
        attempt=row.attempt + 1,
        flow_run_id=flow_run_id,
        state="running",
        trigger=trigger,
        requested_by=requested_by,
        requested_at=requested_at,
    )


def _close_lost(session: Session, row: UploadRow) -> None:
    """Write the end of a former attempt that died so that nobody could: no past attempt stays `running`."""
    lost = session.get(AttemptRow, (row.upload_id, row.attempt)) if row.attempt else None
    if lost is not None and lost.finished_at is None:
        lost.state, lost.message = "crashed", "it ended without a word; the next attempt found it so"
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
    row = lock_upload(session, attempt.upload_id)
    former = session.get_one(AttemptRow, (attempt.upload_id, attempt.number))
    if row.attempt == attempt.number and (former.state, former.message) == (state, message):
        return
    lock_attempt(session, attempt)
    if left := count_unfinished(session, attempt):
        raise ConflictError(f"upload {attempt.upload_id}, attempt {attempt.number}: {left} images are not done yet")
    _end(session, attempt.upload_id, attempt.number, state, message)


def end_run(
    session: Session, flow_run_id: UUID, state: UploadState, message: str, *, is_gone: IsGone | None = None
) -> None:
    """Write the end of a run, as Prefect has it, that could not do so itself. Does nothing once it has ended.

    Prefect names the run alone, which a retry keeps: a worker may report the crash of a process after another has begun
    the next attempt. So `crashed` and `failed` end an attempt only where no process works on it; `is_gone` tells of
    processes that have ended without leaving.
    """
    row = find_and_lock_upload(session, UploadRow.flow_run_id == flow_run_id)
    if row is not None and _may_end(session, row, state, is_gone):
        _end(session, row.upload_id, row.attempt, state, message)


def _may_end(session: Session, row: UploadRow, state: UploadState, is_gone: IsGone | None = None) -> bool:
    if row.state == "accepted" or state == "cancelled":
        return row.state in ("accepted", "running")
    return row.state == "running" and not has_live_owner(session, row.upload_id, row.attempt, is_gone)


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """An upload whose run should be scheduled or running, as of attempt `attempt`."""

    upload_id: str
    attempt: int
    flow_run_id: UUID


def runs_under_way(session: Session) -> list[RunUnderWay]:
    """Every upload that waits for its run's end."""
    rows = session.execute(
        select(UploadRow.upload_id, UploadRow.attempt, UploadRow.flow_run_id).where(
            UploadRow.state.in_(("accepted", "running")), UploadRow.flow_run_id.is_not(None)
        )
    )
    return [RunUnderWay(upload_id, attempt, run_id) for upload_id, attempt, run_id in rows if run_id is not None]


def crashed_runs(session: Session, *, after: timedelta, until: timedelta) -> list[UUID]:
    """The runs of uploads that have been `crashed` for so long, and not for longer than `until`."""
    rows = session.scalars(
        select(UploadRow.flow_run_id).where(
            UploadRow.state == "crashed",
            UploadRow.flow_run_id.is_not(None),
            UploadRow.finished_at.between(func.now() - until, func.now() - after),
        )
    )
    return [row for row in rows if row is not None]


def end_unheard(session: Session, run: RunUnderWay, state: UploadState, message: str) -> bool:
    """Write the end of a run that nobody has reported, unless there is one by now, another attempt has begun or a
    process works on it (see `end_run`).
    """
    row = find_and_lock_upload(session, UploadRow.upload_id == run.upload_id)
    if row is None or (row.attempt, row.flow_run_id) != (run.attempt, run.flow_run_id):
        return False
    if not _may_end(session, row, state):
        return False
    _end(session, row.upload_id, row.attempt, state, message)
    return True


def cancel_unstarted(session: Session, upload: UploadRow) -> None:
    """Write that an accepted upload is cancelled before its run began. The caller has locked its row."""
    _end(session, upload.upload_id, upload.attempt, "cancelled", "cancelled before it began")


def _end(session: Session, upload_id: str, attempt: int, state: UploadState, message: str) -> None:
    end_claims(session, upload_id)
    session.execute(
        update(UploadRow)
        .where(UploadRow.upload_id == upload_id)
        .values(state=state, finished_at=func.now(), retry_requested_at=None, retry_requested_by=None)
    )
    # Not one that has ended: a retry that was cancelled, or crashed, before it began is no attempt of its own.
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.upload_id == upload_id, AttemptRow.attempt == attempt, AttemptRow.finished_at.is_(None))
        .values(state=state, finished_at=func.now(), message=message)
    )
    tally_attempt(session, upload_id, attempt)
    tally_upload(session, upload_id)
    queue_callback(session, upload_id, state)
