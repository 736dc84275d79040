"""The run history's rows: what each attempt did with each entry, written with the outcome, and the sums of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ScalarSelect, Select, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.tables import AttemptRow, EntryAttemptRow, EntryRow, UploadRow, VersionRow
from gallery.models import OUTCOMES, Attempt, EntryProblem, ProcessedImage
from gallery.notes import notes_in
from gallery.timings import Timing, camera

NO_TIMINGS: Mapping[int, Timing] = MappingProxyType({})
# Bound by `timing_values`; named apart from the columns of the statement that they are part of.
TIMING_COLUMNS = (
    "download_seconds",
    "process_seconds",
    "save_seconds",
    "retries",
    "process_cached",
    "width",
    "height",
    "source_format",
    "camera",
    "notes",
)
COMPLAINT_COLUMNS = ("number", "file_name", "outcome", "stage", "reason", "message", "bytes_in")
TALLIED = (*OUTCOMES, "bytes_in", "bytes_out")


def timing_parameters() -> dict[str, Any]:
    """Bound parameters for the columns that an `Timing` fills, by column."""
    table = EntryAttemptRow.__table__
    return {name: bindparam(f"its_{name}", type_=table.c[name].type) for name in TIMING_COLUMNS}


def timing_values(timing: Timing | None, known: VersionRow | None = None) -> dict[str, Any]:
    """The values of `timing_parameters` for one entry; `known` is the same image, saved before."""
    timing = timing or Timing()
    image = timing.processed or known
    return {
        "its_download_seconds": timing.seconds("download"),
        "its_process_seconds": timing.seconds("process"),
        "its_save_seconds": timing.seconds("save"),
        "its_retries": timing.retries,
        "its_process_cached": timing.process_cached,
        "its_width": image and image.width,
        "its_height": image and image.height,
        "its_source_format": image and image.source_format,
        "its_camera": timing.camera if image is None else camera(_metadata(image)),
        "its_notes": [] if image is None else notes_in(_metadata(image)),
    }


def _metadata(image: ProcessedImage | VersionRow) -> Mapping[str, Any]:
    return image.meta if isinstance(image, VersionRow) else image.metadata


def record(rows: Select[Any]) -> Insert:
    """Write history rows from `rows`, whose columns are called like the table's; the same attempt's row is replaced."""
    statement = upsert(EntryAttemptRow).from_select([column.name for column in rows.selected_columns], rows)
    key = ("upload_id", "number", "attempt")
    changed = {c.name: statement.excluded[c.name] for c in rows.selected_columns if c.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def record_complaints(
    session: Session, attempt: Attempt, problems: Sequence[EntryProblem], timings: Mapping[int, Timing], length: int
) -> None:
    """Write that an attempt ended with these problems; its own good outcome, whose answer was lost, stays."""
    parameters = {
        "upload_id": attempt.upload_id,
        "attempt": attempt.number,
        "gallery_id": attempt.gallery_id,
        **{name: bindparam(f"its_{name}") for name in COMPLAINT_COLUMNS},
        **timing_parameters(),
    }
    session.connection().execute(
        upsert(EntryAttemptRow).values(parameters).on_conflict_do_nothing(),
        [
            {
                "its_number": problem.number,
                "its_file_name": problem.file_name,
                "its_outcome": problem.outcome,
                "its_stage": problem.stage,
                "its_reason": problem.reason,
                "its_message": problem.message[:length],
                "its_bytes_in": bytes_in(timings.get(problem.number)),
                **timing_values(timings.get(problem.number)),
            }
            for problem in problems
        ],
    )


def bytes_in(timing: Timing | None) -> int:
    """Bytes that an attempt downloaded for an entry."""
    return timing.bytes_in if timing else 0


def record_cleanup(session: Session, attempt: Attempt, timings: Mapping[int, Timing]) -> None:
    """Add the cleanup's seconds and retries, by entry number, to rows that the saves wrote."""
    if timings:
        session.connection().execute(
            update(EntryAttemptRow)
            .where(
                EntryAttemptRow.upload_id == attempt.upload_id,
                EntryAttemptRow.number == bindparam("its_number"),
                EntryAttemptRow.attempt == attempt.number,
                # Once: the same call again, where the answer to a commit was lost, adds no retries.
                EntryAttemptRow.cleanup_seconds.is_(None),
            )
            .values(
                cleanup_seconds=bindparam("its_cleanup_seconds"),
                retries=EntryAttemptRow.retries + bindparam("its_retries"),
            ),
            [
                {
                    "its_number": number,
                    "its_cleanup_seconds": timing.seconds("cleanup"),
                    "its_retries": timing.retries,
                }
                for number, timing in timings.items()
            ],
        )


def tally_attempt(session: Session, upload_id: str, attempt: int) -> None:
    """Sum up what an attempt did, from its history rows, for good."""
    rows = _tally(EntryAttemptRow).where(EntryAttemptRow.upload_id == upload_id, EntryAttemptRow.attempt == attempt)
    found = rows.group_by(EntryAttemptRow.upload_id).subquery()
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.upload_id == found.c.upload_id, AttemptRow.attempt == attempt)
        .values({name: found.c[name] for name in TALLIED})
    )


def tally_upload(session: Session, upload_id: str) -> None:
    """Sum up an upload's final outcomes, each entry once whatever number of attempts it took."""
    found = _tally(EntryRow).where(EntryRow.upload_id == upload_id).group_by(EntryRow.upload_id).subquery()
    session.execute(
        update(UploadRow)
        .where(UploadRow.upload_id == found.c.upload_id)
        .values({name: found.c[name] for name in TALLIED})
    )


def _tally(table: type[EntryRow | EntryAttemptRow]) -> Select[Any]:
    counts: list[Any] = [func.count().filter(table.outcome == outcome).label(outcome) for outcome in OUTCOMES]
    sums = [func.coalesce(func.sum(table.bytes_in), 0), func.coalesce(func.sum(table.bytes_out), 0)]
    return select(table.upload_id, *counts, sums[0].label("bytes_in"), sums[1].label("bytes_out"))


def last_written_at(session: Session, upload_id: str, attempt: int, started_at: datetime) -> datetime:
    """When an attempt last wrote an outcome; its start where it wrote none."""
    latest: ScalarSelect[Any] = (
        select(func.max(EntryAttemptRow.finished_at))
        .where(EntryAttemptRow.upload_id == upload_id, EntryAttemptRow.attempt == attempt)
        .scalar_subquery()
    )
    return session.scalar(select(func.coalesce(latest, literal(started_at)))) or started_at
