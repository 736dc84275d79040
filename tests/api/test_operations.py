"""Retry and cancel, as the buttons in the Prefect UI."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import Engine

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from gallery.storage.s3 import Storage
from tests.api.test_images import hold_back, let_go
from tests.conftest import Servers
from tests.journeys import photo, wait_until
from tests.second_api import SecondApi


def test_a_retry_takes_up_what_had_failed_in_the_same_run(
    second_api: SecondApi, storage: Storage, gallery_id: str
) -> None:
    files = {"a.jpg": photo(1), "late.jpg": photo(2)}
    opened = second_api.open_upload(gallery_id, files)
    second_api.put(opened, {"a.jpg": files["a.jpg"]})
    path = f"/v1/uploads/{opened['upload_id']}"
    assert second_api.http.post(f"{path}/retry").status_code == 409
    assert second_api.http.post(f"{path}/cancel").status_code == 409
    second_api.http.post(f"{path}/complete")
    failed = second_api.wait_for(opened["upload_id"], "failed")
    assert failed["problems"][0]["reason"] == "missing_object"
    alert = second_api.application.alert(type="alert.run_failed", upload_id=opened["upload_id"]).verified()
    assert (alert["state"], alert["problems"]) == ("failed", failed["problems"])

    second_api.put(opened, {"late.jpg": files["late.jpg"]})
    # Prefect hears of a run's end a moment after the catalogue does.
    answer = second_api.http.post(f"{path}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    done = second_api.wait_for(opened["upload_id"], "completed")
    assert done["counts"]["saved"] == 2
    assert done["flow_run_id"] == failed["flow_run_id"]
    assert second_api.http.post(f"{path}/cancel").status_code == 409


def test_an_upload_is_cancelled_before_its_run_began_and_retried_after(
    second_api: SecondApi, engine: Engine, gallery_id: str
) -> None:
    files = {"a.jpg": photo(1)}
    opened = second_api.open_upload(gallery_id, files)
    second_api.put(opened, files)
    path = f"/v1/uploads/{opened['upload_id']}"
    hold_back(engine, opened["upload_id"])
    retried = second_api.http.post(f"{path}/retry")
    assert (retried.status_code, retried.json()["state"]) == (202, "accepted"), "it will begin anyhow"
    cancelled = second_api.http.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert second_api.status(opened["upload_id"])["counts"]["pending"] == 1
    assert second_api.http.post(f"{path}/retry").status_code == 202
    let_go(engine, opened["upload_id"])
    assert second_api.wait_for(opened["upload_id"], "completed")["counts"]["saved"] == 1


def test_a_retry_after_prefect_has_forgotten_the_run_gets_a_new_one(
    second_api: SecondApi, engine: Engine, servers: Servers, gallery_id: str
) -> None:
    done = second_api.ingest(gallery_id, {"a.jpg": photo(1)})
    prefect = servers.info.prefect_api_url
    wait_until(
        lambda: httpx.get(f"{prefect}/flow_runs/{done['flow_run_id']}").json()["state"]["type"] == "COMPLETED" or None,
        "Prefect to hear of the end",
    )
    assert httpx.delete(f"{prefect}/flow_runs/{done['flow_run_id']}").status_code == 204
    assert second_api.http.post(f"/v1/uploads/{done['upload_id']}/retry").status_code == 202
    again = second_api.wait_for(done["upload_id"], "completed")
    assert again["flow_run_id"] != done["flow_run_id"]
    with transaction(engine) as session:
        row = session.get(UploadRow, done["upload_id"])
        assert row is not None
        assert row.attempt == 2


@pytest.mark.parametrize("action", ["retry", "cancel", "callback"])
def test_an_unknown_upload_is_not_found(second_api: SecondApi, action: str) -> None:
    assert second_api.http.post(f"/v1/uploads/unknown/{action}").status_code == 404
