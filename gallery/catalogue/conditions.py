"""What is watched, and whether it is well: each change is noticed by one watcher, however many there are."""

from __future__ import annotations

from sqlalchemy import Boolean, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.tables import ConditionRow

# Prefect's server answers; a worker of the pool responds; neither the pool nor the queue of ingests is paused; the
# queue's limit leaves a place for one more run.
PREFECT, WORKERS, OPEN, PLACES = "prefect", "workers", "open", "places"


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
