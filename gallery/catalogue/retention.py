"""How long image rows of the history are kept: closed days are summed up, and later their rows are deleted.

Summaries are made soon after a day is over, not only before its rows go: they are also what keeps the views quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Date, Engine, cast, delete, func, insert, literal, select, text, tuple_
from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_summaries
from gallery.catalogue.tables import EntryAttemptRow, EntryDayRow, StageDayRow
from gallery.models import STAGES

# A transaction that began before midnight writes that day's time; none takes longer than its time-outs.
CLOSED_AFTER = timedelta(hours=1)
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning deleted, or would delete: image rows, and the UTC days they are of."""

    rows: int
    first_day: date | None
    last_day: date | None


def summarise_days(session: Session) -> list[date]:
    """Sum up the closed UTC days that are not yet, each once; returns them."""
    lock_summaries(session)
    session.execute(text("SET LOCAL work_mem = '64MB'"))  # for a day's percentiles
    summed_up = select(func.coalesce(func.max(EntryDayRow.day), text("'-infinity'::date"))).scalar_subquery()
    days = session.scalars(
        select(EntryAttemptRow.day)
        .where(EntryAttemptRow.day > summed_up, EntryAttemptRow.day < _open_day())
        .distinct()
        .order_by(EntryAttemptRow.day)
    ).all()
    for day in days:
        _sum_up_entries(session, day)
        _sum_up_stages(session, day)
    return list(days)


def prune_history(engine: Engine, before: date, *, dry_run: bool = False) -> Pruned:
    """Delete image rows of days before `before`, once they are summed up; in batches, so that nobody waits for it.

    Stopped in its middle, it is simply called again. Uploads, runs and the summaries stay. With `dry_run`, nothing
    changes.
    """
    if not dry_run:
        with transaction(engine) as session:
            summarise_days(session)
    with transaction(engine) as session:
        rows, first, last = session.execute(
            select(func.count(), func.min(EntryAttemptRow.day), func.max(EntryAttemptRow.day)).where(
                EntryAttemptRow.day < func.least(literal(before), _open_day())
            )
        ).one()
    while not dry_run and _delete_batch(engine, before):
        pass
    return Pruned(rows, first, last)


def _delete_batch(engine: Engine, before: date) -> int:
    table = EntryAttemptRow
    with transaction(engine) as session:
        summed_up = select(func.max(EntryDayRow.day)).scalar_subquery()
        key = (table.upload_id, table.number, table.attempt)
        batch = select(*key).where(table.day < literal(before), table.day <= summed_up).limit(BATCH)
        gone = session.execute(
            delete(table).where(tuple_(*key).in_(batch)).execution_options(synchronize_session=False)
        )
        return int(gone.rowcount)  # type: ignore[attr-defined]


def _open_day() -> ColumnElement[date]:
    """The first UTC day that may still get rows."""
    return cast(func.timezone("UTC", func.now() - CLOSED_AFTER), Date)


def _sum_up_entries(session: Session, day: date) -> None:
    row = EntryAttemptRow
    keys = (row.day, row.gallery_id, row.camera, row.outcome, row.stage, row.reason)
    seconds = [getattr(row, f"{stage}_seconds") for stage in STAGES]
    sums = {
        "images": func.count(),
        "retries": func.sum(row.retries),
        "process_cached": func.count().filter(row.process_cached.is_(True)),
        **{column.key: func.coalesce(func.sum(column), 0) for column in seconds},
        "bytes_in": func.sum(row.bytes_in),
        "bytes_out": func.sum(row.bytes_out),
    }
    rows = select(*keys, *sums.values()).where(row.day == day).group_by(*keys)
    session.execute(insert(EntryDayRow).from_select([*(key.key for key in keys), *sums], rows))


def _sum_up_stages(session: Session, day: date) -> None:
    for stage in STAGES:
        seconds = getattr(EntryAttemptRow, f"{stage}_seconds")
        percentiles = [func.percentile_cont(part).within_group(seconds) for part in (0.5, 0.95, 0.99)]
        rows = (
            select(literal(day), literal(stage), func.count(), *percentiles, func.sum(seconds))
            .where(EntryAttemptRow.day == day, seconds.is_not(None))
            .having(func.count() > 0)
        )
        columns = ["day", "stage", "images", "p50", "p95", "p99", "total_seconds"]
        session.execute(insert(StageDayRow).from_select(columns, rows))
