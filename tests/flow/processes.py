"""The processes of flow runs."""

from __future__ import annotations

import psutil

from tests.journeys import Journeys


def flow_process(journeys: Journeys, gallery_id: str) -> psutil.Process:
    """The process of a gallery's run that is under way; another test's may be about to end beside it."""
    run_id = journeys.upload_of(gallery_id).flow_run_id
    worker = psutil.Process(journeys.servers.pids["worker"])
    return next(child for child in worker.children() if child.environ().get("PREFECT__FLOW_RUN_ID") == str(run_id))
