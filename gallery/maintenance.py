"""What the flows of upkeep write into the history, each with a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.maintenance import begin_maintenance, end_maintenance
from gallery.models import UploadState
from gallery.settings import Settings


def begin_run(
    settings: Settings,
    *,
    flow_run_id: UUID,
    flow_name: str,
    requested_at: datetime | None,
    gallery_id: str | None = None,
) -> None:
    """Write that a run has begun. Raises `TransientError`."""
    with _session(settings) as session:
        begin_maintenance(
            session,
            flow_run_id=flow_run_id,
            flow_name=flow_name,
            gallery_id=gallery_id,
            requested_at=requested_at,
        )


def end_run(
    settings: Settings,
    flow_run_id: UUID,
    state: UploadState,
    message: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write how a run ended; does nothing where an end is written. Raises `TransientError`."""
    with _session(settings) as session:
        end_maintenance(session, flow_run_id, state, message, counts)


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    engine = connect(settings, application="gallery-maintenance", connections=1)
    try:
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()
