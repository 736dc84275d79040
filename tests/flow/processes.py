"""The processes of flow runs."""

from __future__ import annotations

import psutil
from sqlalchemy import select

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from tests.journeys import Journeys


def flow_process(journeys: Journeys, gallery_id: str) -> psutil.Process:
    """The process of a gallery's run that is under way; another test's may be about to end beside it."""
    with transaction(journeys.engine) as session:
        run_id = session.scalars(select(UploadRow.flow_run_id).where(UploadRow.gallery_id == gallery_id)).one()
    worker = psutil.Process(journeys.servers.pids["worker"])
    return next(child for child in worker.children() if child.environ().get("PREFECT__FLOW_RUN_ID") == str(run_id))
