"""What a person should know of pictures that are saved: told everywhere, and kept."""

from __future__ import annotations

import json

import pytest

from tests.journeys import Journeys, photo, with_a_hole

pytestmark = pytest.mark.usefixtures("warm_runs")


def table(journeys: Journeys, flow_run_id: str | None) -> list[tuple[str, str, str]]:
    """File, outcome and reason of each row of a run's table."""
    body = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}, "type": {"any_": ["table"]}}}
    (found,) = journeys.prefect.post("/artifacts/filter", json=body).json()
    return [(row["file"], row["outcome"], row["reason"]) for row in json.loads(found["data"])]


def test_a_damaged_picture_is_saved_and_everybody_is_told(journeys: Journeys, gallery_id: str) -> None:
    files = {"a.jpg": photo(1), "b.jpg": with_a_hole(photo(2)), "c.jpg": photo(3)[:9000]}
    for outcome in ("saved", "unchanged"):
        result = journeys.send(gallery_id, files)
        assert result.notes == {"damaged": 1}
        run = journeys.ended(result.flow_run_id)
        assert run["state"]["message"] == f"2 of 3 {outcome}, 1 rejected; 1 damaged"
        address = f"/v1/uploads/{result.upload_id}/entries"
        listed = {each["file_name"]: each["notes"] for each in journeys.api.get(address).json()["entries"]}
        assert listed == {"a.jpg": [], "b.jpg": ["damaged"], "c.jpg": []}
        (noted,) = journeys.api.get(address, params={"note": "damaged"}).json()["entries"]
        assert (noted["file_name"], noted["outcome"]) == ("b.jpg", outcome)
        rows = journeys.history("image_history", result.upload_id, "file_name")
        assert [(row["file_name"], row["notes"]) for row in rows if row["notes"]] == [("b.jpg", ["damaged"])]
        assert ("b.jpg", outcome, "damaged") in table(journeys, result.flow_run_id)

    whole = journeys.send(gallery_id, files | {"b.jpg": photo(2)})
    assert whole.notes == {}
    assert set(journeys.current(gallery_id)) == {"a.jpg", "b.jpg"}
