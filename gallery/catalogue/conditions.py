"""What is watched, and whether it is well: each change is noticed by one watcher, however many there are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Boolean, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.tables import ConditionRow

# Prefect's server answers; a worker of the pool responds; there is a deployment to start ingests of.
PREFECT, WORKERS, DEPLOYMENT = "prefect", "workers", "deployment"
# Neither the pool nor the queue of ingests is paused; the queue's limit leaves a place for one more run; a run of any
# queue is claimed or running.
OPEN, PLACES, BUSY = "open", "places", "busy"


def note_condition(session: Session, name: str, *, is_well: bool) -> bool:
    """Note how `name` is; true where that is a change, or bad from the start. The caller alone sees that it is."""
    statement = upsert(ConditionRow).values(name=name, is_well=is_well)
    statement = statement.on_conflict_do_update(
        index_elements=[ConditionRow.name],
        set_={"is_well": statement.excluded.is_well, "since": func.now()},
        where=ConditionRow.is_well != statement.excluded.is_well,
    )
    # PostgreSQL's way to tell an inserted row from an updated one.
    is_new = literal_column("xmax = 0", Boolean)
    written = session.scalar(statement.returning(is_new))
    return written is not None and not (written and is_well)


def list_unwell(session: Session) -> frozenset[str]:
    """List the names of all conditions that are not well."""
    return frozenset(session.scalars(select(ConditionRow.name).where(ConditionRow.is_well.is_(False))))


def well_for(session: Session, names: Collection[str]) -> timedelta:
    """How long all of these conditions have been well; negative while one is not, or nobody has watched it yet."""
    found = session.execute(
        select(
            func.count(), func.bool_and(ConditionRow.is_well), func.clock_timestamp() - func.max(ConditionRow.since)
        ).where(ConditionRow.name.in_(names))
    ).one()
    known, all_well, age = found
    return age if known == len(names) and all_well else timedelta(-1)


def unwell_for(session: Session, name: str) -> timedelta:
    """How long a condition has not been well; negative while it is, or nobody has watched it yet."""
    unwell = (ConditionRow.name == name) & ConditionRow.is_well.is_(False)
    age = session.scalar(select(func.clock_timestamp() - ConditionRow.since).where(unwell))
    return timedelta(-1) if age is None else age
