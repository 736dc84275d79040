"""Runs that cannot begin: the stores are away, the gallery is not known, the deployment is another one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from tests.journeys import Journeys, photo, wait_until

pytestmark = pytest.mark.usefixtures("warm_runs")
LISTING = r"^/gallery-uploads$"


def end_the_pause(journeys: Journeys, upload_id: str) -> None:
    """Let the time pass until the upload's next run is due."""
    with transaction(journeys.engine) as session:
        mine = update(UploadRow).where(UploadRow.upload_id == upload_id)
        session.execute(mine.values(restart_after=UploadRow.restart_after - timedelta(hours=1)))


def summary(journeys: Journeys, gallery_id: str) -> str:
    """The newest summary that a run of the gallery has published."""
    body = {"artifacts": {"key": {"any_": [f"gallery-{gallery_id}"]}}, "sort": "CREATED_DESC", "limit": 1}
    found = journeys.prefect.post("/artifacts/filter", json=body).json()
    return found[0]["data"] if found else ""


def test_a_first_run_that_finds_storage_away_says_so_and_another_does_the_work(
    journeys: Journeys, gallery_id: str
) -> None:
    with journeys.servers.s3.fault("GET", LISTING, status=503):
        upload_id = journeys.accept(gallery_id, {"a.jpg": photo(1)})
        upload = wait_until(
            lambda: row if (row := journeys.upload(upload_id)).restart_after else None, "the run to give up"
        )
        run = journeys.ended(upload.flow_run_id)
    assert upload.state == "accepted"
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"].startswith("stopped before all was done: storage_unavailable")
    assert "storage_unavailable" in summary(journeys, gallery_id)
    log = journeys.log(run["id"])
    assert not any("Traceback" in line for line in log)
    # While it waits, ops see why.
    assert sum("tried again in" in line for line in log) == 2
    assert journeys.api.get(f"/v1/uploads/{upload_id}").json()["waiting"]["for"] == "restart"

    end_the_pause(journeys, upload_id)
    wait_until(lambda: journeys.upload(upload_id).state == "completed" or None, "another run of it")
    assert journeys.flow_run(upload.flow_run_id)["run_count"] == 2
    assert set(journeys.current(gallery_id)) == {"a.jpg"}


def test_an_upload_that_waits_to_be_tried_again_can_be_cancelled_and_retried(
    journeys: Journeys, gallery_id: str
) -> None:
    with journeys.servers.s3.fault("GET", LISTING, status=503):
        upload_id = journeys.accept(gallery_id, {"a.jpg": photo(1)})
        wait_until(lambda: journeys.upload(upload_id).restart_after, "the run to give up")
        journeys.ended(journeys.upload(upload_id).flow_run_id)
    answer = journeys.api.post(f"/v1/uploads/{upload_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert journeys.upload(upload_id).restart_after is None
    assert journeys.api.post(f"/v1/uploads/{upload_id}/retry").status_code == 202
    wait_until(lambda: journeys.upload(upload_id).state == "completed" or None, "the retry")
    assert set(journeys.current(gallery_id)) == {"a.jpg"}


def test_a_retry_that_finds_storage_away_takes_nothing_back(journeys: Journeys, gallery_id: str) -> None:
    sent = journeys.send(gallery_id, {"good.jpg": photo(1), "bad.jpg": b"no image"})
    assert sent.state == "completed_with_rejects"
    before = journeys.outcomes(sent.upload_id)
    with journeys.servers.s3.fault("GET", LISTING, status=503):
        run = journeys.retry(sent.flow_run_id)
    assert run["state"]["type"] == "FAILED"
    assert "storage_unavailable" in run["state"]["message"]
    upload = journeys.upload(sent.upload_id)
    assert (upload.state, journeys.outcomes(sent.upload_id)) == ("completed_with_rejects", before)

    end_the_pause(journeys, sent.upload_id)
    wait_until(lambda: journeys.flow_run(sent.flow_run_id)["run_count"] == 3 or None, "the next run")
    run = journeys.wait_for_end(sent.flow_run_id, after=2)
    assert run["state"]["message"] == "Nothing to do: 1 of 2 saved, 1 rejected"
    assert journeys.upload(sent.upload_id).state == "completed_with_rejects"


@pytest.mark.parametrize(
    ("deployment", "parameters", "name", "told"),
    [
        ("ingest-gallery", {"gallery_id": "nobodys-{}"}, "nobodys-{}", "gallery 'nobodys-{}' is not known"),
        ("rebuild-renditions", {"gallery_id": "nobodys-{}"}, "rebuild nobodys-{}", "gallery 'nobodys-{}' is not known"),
        ("rebuild-renditions", {"style": "huge-{}"}, "rebuild all galleries, huge-{}", "style 'huge-{}' is not one of"),
    ],
    ids=["ingest", "rebuild of a gallery", "rebuild of a style"],
)
def test_what_is_not_known_is_named_in_a_sentence(
    journeys: Journeys, gallery_id: str, deployment: str, parameters: dict[str, str], name: str, told: str
) -> None:
    given = {key: value.format(gallery_id) for key, value in parameters.items()}
    run = journeys.run_deployment(deployment, **given)
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"].startswith(told.format(gallery_id))
    assert run["name"] == name.format(gallery_id)
    assert not any("Traceback" in line for line in journeys.log(run["id"]))


def test_a_retry_after_the_deployment_was_made_anew_is_a_run_of_the_new_one(
    journeys: Journeys, gallery_id: str
) -> None:
    sent = journeys.send(gallery_id, {"a.jpg": photo(1), "bad.jpg": b"no image"})
    theirs = journeys.deployment("ingest-gallery")
    copied = ("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name", "work_queue_name", "tags")
    body = {"name": f"former-{gallery_id}", **{key: theirs[key] for key in copied}}
    former = journeys.prefect.post("/deployments/", json=body).json()["id"]
    given = {"gallery_id": gallery_id, "upload_id": sent.upload_id, "force": True}
    answer = journeys.prefect.post(f"/deployments/{former}/create_flow_run", json={"parameters": given})
    old = journeys.wait_for_end(answer.json()["id"], after=0)
    assert str(journeys.upload(sent.upload_id).flow_run_id) == old["id"]
    assert journeys.prefect.delete(f"/deployments/{former}").status_code == 204

    assert journeys.api.post(f"/v1/uploads/{sent.upload_id}/retry").status_code == 202
    wait_until(lambda: journeys.upload(sent.upload_id).attempt == 3 or None, "the retry")
    new = journeys.ended(journeys.upload(sent.upload_id).flow_run_id)
    assert new["id"] != old["id"]
    assert new["deployment_id"] == theirs["id"]
    # What it was asked for, it still is.
    assert new["parameters"] == given
    assert new["state"]["type"] == "COMPLETED"
