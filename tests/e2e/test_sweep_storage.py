"""The sweep's deployment, through the real server and worker, and the command."""

from __future__ import annotations

import json
import re
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import CallbackRow, MaintenanceRow, OutboxRow
from gallery.local.parts.postgres import PREFECT
from gallery.models import ObjectKey
from gallery.runs import UPKEEP_QUEUE
from gallery.storage.keys import LibraryKey
from tests.command import gallery
from tests.conftest import as_superuser
from tests.journeys import WAIT_SECONDS, Journeys, photo, wait_until

pytestmark = pytest.mark.usefixtures("warm_runs")


def leave_due(journeys: Journeys, gallery_id: str) -> ObjectKey:
    """An object that is due for deletion, which nobody deletes."""
    upload_id = journeys.send(gallery_id, {"a.jpg": photo(1)}).upload_id
    key = LibraryKey(gallery_id, upload_id, 1, 1, ".jpg", "large", "0123abcd").key
    journeys.storage.write_bytes(key, b"left over")
    values = {"bucket": journeys.storage.library_bucket, "key": key, "upload_id": upload_id, "entry_number": 1}
    with transaction(journeys.engine) as session:
        session.execute(insert(OutboxRow).values(values))
    return key


def history(journeys: Journeys, flow_run_id: str) -> list[MaintenanceRow]:
    with transaction(journeys.engine) as session:
        query = select(MaintenanceRow).where(MaintenanceRow.flow_run_id == UUID(flow_run_id))
        return list(session.scalars(query.order_by(MaintenanceRow.attempt)))


def test_the_form_explains_itself_and_the_schedule_deletes(journeys: Journeys) -> None:
    deployment = journeys.deployment("sweep-storage")
    form = deployment["parameter_openapi_schema"]["properties"]
    assert (form["dry_run"]["title"], form["dry_run"]["default"]) == ("Dry run", True)
    assert form["grace_days"]["title"] == "Grace in days"
    assert all(field["description"] for field in form.values())
    (schedule,) = deployment["schedules"]
    assert (schedule["slug"], schedule["active"], schedule["parameters"]) == ("nightly", True, {"dry_run": False})
    assert deployment["work_queue_name"] == UPKEEP_QUEUE
    refused = journeys.submit("sweep-storage", grace_days=1)
    assert refused.status_code == 409
    assert "grace_days" in refused.text or "minimum" in refused.text


def test_a_dry_run_reports_and_a_sweep_deletes(journeys: Journeys, gallery_id: str) -> None:
    key = leave_due(journeys, gallery_id)
    kept = journeys.library(gallery_id) - {key}

    dry = gallery("sweep", "--json", home=journeys.servers.home)
    assert dry.returncode == 0, dry.stderr
    report = json.loads(dry.stdout)
    assert (report["dry_run"], report["found"]["outbox"]["count"]) == (True, len(report["found"]["outbox"]["first"]))
    assert key in report["found"]["outbox"]["first"]
    assert key in journeys.library(gallery_id)

    run = journeys.run_deployment("sweep-storage", dry_run=False)
    assert run["state"]["type"] == "COMPLETED"
    message = run["state"]["message"]
    assert message.startswith("deleted ")
    assert journeys.library(gallery_id) == kept
    (row,) = history(journeys, run["id"])
    assert (row.flow_name, row.state, row.message, row.attempt) == ("sweep-storage", "completed", message, 1)
    assert row.counts["outbox"] >= 1
    assert row.finished_at is not None
    artifacts = journeys.prefect.post(
        "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    ).json()
    assert [(item["key"], item["description"]) for item in artifacts] == [("sweep-storage", message)]
    assert key in artifacts[0]["data"]


def test_a_sweep_that_finds_another_at_work_ends_at_once(journeys: Journeys) -> None:
    arrived, go_on = Event(), Event()

    def hold() -> None:
        is_first = not arrived.is_set()
        arrived.set()
        if is_first:
            go_on.wait(WAIT_SECONDS)

    def submit(**parameters: bool) -> str:
        return str(journeys.submit("sweep-storage", **parameters).json()["id"])

    with (
        journeys.queue_limit(UPKEEP_QUEUE, 3),
        journeys.servers.s3.fault("GET", rf"^/{journeys.storage.library_bucket}/?$", before=hold),
    ):
        first = submit(dry_run=True)
        assert arrived.wait(WAIT_SECONDS)
        try:
            another_dry_one = journeys.wait_for_end(submit(dry_run=True), after=0)
            one_that_deletes = journeys.wait_for_end(submit(dry_run=False), after=0)
        finally:
            go_on.set()
        journeys.wait_for_end(first, after=0)
    assert another_dry_one["state"]["name"] == "Skipped"
    assert another_dry_one["state"]["message"].startswith("Nothing to do: another sweep has been at work since")
    # What a dry run finds it does not delete.
    assert one_that_deletes["state"]["name"] == "Completed", one_that_deletes["state"]["message"]


def test_of_the_sweeps_that_were_missed_the_last_one_works(journeys: Journeys) -> None:
    servers = journeys.servers
    with journeys.queue_limit(UPKEEP_QUEUE, 0):
        missed = [str(journeys.submit("sweep-storage", dry_run=False).json()["id"]) for _ in range(3)]
        # As Prefect's scheduler makes them, which makes none for the past.
        with as_superuser(servers.info, servers.home, PREFECT) as connection:
            for nights_ago, run in zip((2, 1, 0), missed, strict=True):
                connection.execute(
                    "UPDATE flow_run SET auto_scheduled = true, expected_start_time = now() - %s * interval '1 day'"
                    " WHERE id = %s",
                    (nights_ago, run),
                )
    runs = [journeys.wait_for_end(run, after=0) for run in missed]
    assert [run["state"]["name"] for run in runs] == ["Skipped", "Skipped", "Completed"]
    assert re.fullmatch("Nothing to do: the sweep that was due at .+ makes up for it", runs[0]["state"]["message"])


def test_a_sweep_that_cannot_begin_is_in_the_history(journeys: Journeys) -> None:
    run = journeys.run_deployment("sweep-storage", grace_days=2)
    assert run["state"]["type"] == "FAILED"
    # The failure's hook writes it, a moment after Prefect's server has the state.
    row = wait_until(lambda: next((row for row in history(journeys, run["id"]) if row.finished_at), None), "its end")
    assert row.state == "failed"
    assert "GALLERY_SWEEP_GRACE_DAYS (3)" in (row.message or "")
    with transaction(journeys.engine) as session:
        told = session.scalars(
            select(CallbackRow.body).where(CallbackRow.audience == "ops", CallbackRow.type == "alert.upkeep_failed")
        ).all()
    assert f"sweep-storage failed: {row.message}" in {body["message"] for body in told}
