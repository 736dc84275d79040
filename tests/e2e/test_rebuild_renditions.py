"""The rebuild's deployment, through the real server and worker."""

from __future__ import annotations

import io
import json
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import select

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import MaintenanceRow
from gallery.runs import REBUILD_QUEUE
from tests.conftest import runs_have
from tests.journeys import Journeys, photo, wait_until

pytestmark = pytest.mark.usefixtures("warm_runs")

STYLES = "[styles.large]\nwidth = 100\nheight = 100\n[styles.thumb]\nwidth = 30\nheight = 30\n"


def history(journeys: Journeys, flow_run_id: str) -> list[MaintenanceRow]:
    with transaction(journeys.engine) as session:
        query = select(MaintenanceRow).where(MaintenanceRow.flow_run_id == UUID(flow_run_id))
        return list(session.scalars(query.order_by(MaintenanceRow.attempt)))


def sizes(journeys: Journeys, gallery_id: str, name: str) -> dict[str, int]:
    """The longer side of each rendition that the gallery shows, in pixels."""
    styles = journeys.current(gallery_id)[name].styles
    return {style: max(Image.open(io.BytesIO(journeys.read(key))).size) for style, (key, _, _) in styles.items()}


def test_the_form_explains_itself_and_a_run_waits_behind_new_uploads(journeys: Journeys) -> None:
    deployment = journeys.deployment("rebuild-renditions")
    form = deployment["parameter_openapi_schema"]["properties"]
    assert {name: field["title"] for name, field in form.items()} == {"gallery_id": "Gallery", "style": "Style"}
    assert all(field["description"] and field["default"] is None for field in form.values()), form
    assert deployment["description"]
    assert deployment["tags"] == ["gallery", "upkeep"]
    queues = journeys.prefect.post("/work_pools/gallery/queues/filter", json={}).json()
    priority = {queue["name"]: queue["priority"] for queue in queues}
    assert deployment["work_queue_name"] == REBUILD_QUEUE
    assert priority["default"] < priority[REBUILD_QUEUE], "the lower number comes first"
    for wrong in ({"gallery_id": "../x"}, {"style": "Thumb!"}):
        assert journeys.submit("rebuild-renditions", **wrong).status_code == 409, wrong


def test_a_rebuild_after_a_change_of_styles_tells_its_story_and_a_retry_does_what_is_left(
    journeys: Journeys, gallery_id: str, tmp_path: Path
) -> None:
    files = {f"{number}.jpg": photo(number, (320, 240)) for number in range(3)} | {"big.jpg": photo(9)}
    sent = journeys.send(gallery_id, files)
    before = journeys.current(gallery_id)
    styles = tmp_path / "styles.toml"
    styles.write_text(STYLES)
    with runs_have(journeys.servers, env={"GALLERY_STYLES_FILE": str(styles), "GALLERY_MAX_PIXELS": "100000"}):
        with journeys.servers.s3.fault("GET", rf"/{sent.upload_id}/2/[0-9]+/original", status=503):
            run = journeys.run_deployment("rebuild-renditions", gallery_id=gallery_id)
        message = "2 of 4 images rebuilt, 1 rejected, 1 failed: storage_unavailable"
        assert (run["state"]["name"], run["state"]["message"]) == ("Failed", message)
        assert run["name"] == f"rebuild {gallery_id} · 4 images"
        found = journeys.prefect.post(
            "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
        ).json()
        story = {item["type"]: item for item in found}
        assert story["progress"]["data"] == 100.0
        assert {(row["file"], row["gallery"], row["reason"]) for row in json.loads(story["table"]["data"])} == {
            ("1.jpg", gallery_id, "storage_unavailable"),
            ("big.jpg", gallery_id, "too_many_pixels"),
        }
        assert story["markdown"]["description"] == message
        assert {name: sizes(journeys, gallery_id, name)["thumb"] for name in files} == {
            "0.jpg": 30,
            "1.jpg": 320,
            "2.jpg": 30,
            "big.jpg": 320,
        }

        again = journeys.retry(run["id"])
        message = "1 of 2 images rebuilt, 1 rejected"
        assert (again["state"]["name"], again["state"]["message"]) == ("Completed with rejects", message)
        # Four, and then the two that were left.
        assert sum(journeys.task_runs(run["id"], 4 + 2).values()) == 6
        first, second = history(journeys, run["id"])
        assert (first.flow_name, first.gallery_id, first.state) == ("rebuild-renditions", gallery_id, "failed")
        assert (second.state, second.message) == ("completed_with_rejects", message)
        assert second.counts == {
            "rebuilt": 1,
            "superseded": 0,
            "rejected": 1,
            "failed": 0,
            "busy": 0,
            "deleted": len(before["1.jpg"].styles),
        }
        after = journeys.current(gallery_id)
        assert after["big.jpg"] == before["big.jpg"]
        assert journeys.library(gallery_id) == frozenset().union(*(version.keys for version in after.values()))
        assert not (journeys.servers.home / "scratch" / "_rebuild" / run["id"]).exists()

        resent = journeys.send(gallery_id, {name: files[name] for name in ("0.jpg", "1.jpg", "2.jpg")})
        assert resent.counts["unchanged"] == 3

        unknown = journeys.run_deployment("rebuild-renditions", style="medium")
        assert unknown["state"]["type"] == "FAILED"
        assert "style 'medium' is not one of the recipe's, which are: large, thumb" in unknown["state"]["message"]
        # The failure's hook writes it, a moment after Prefect's server has the state.
        row = wait_until(
            lambda: next((row for row in history(journeys, unknown["id"]) if row.finished_at), None), "its end"
        )
        assert row.state == "failed"
        assert "style 'medium'" in (row.message or "")
