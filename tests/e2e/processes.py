"""The processes of flow runs."""

from __future__ import annotations

import psutil

from tests.journeys import Journeys


def flow_process(journeys: Journeys, gallery_id: str) -> psutil.Process:
    """The process of a gallery's run that is under way; another test's may be about to end beside it."""
    run_id = journeys.upload_of(gallery_id).flow_run_id
    worker = journeys.servers.pids["worker"]
    return next(
        process
        for process in psutil.process_iter(["ppid", "environ"])
        if process.info["ppid"] == worker and (process.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID") == str(run_id)
    )
