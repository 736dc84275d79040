"""What API, Prefect, the views and the command line say of one upload is the same."""

from __future__ import annotations

import csv
import io
import json

import pytest

from gallery.client.api import GalleryClient
from tests.command import gallery as run
from tests.journeys import Journeys, photo

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_api_prefect_history_and_command_line_say_the_same(journeys: Journeys, gallery_id: str) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3), "letter.jpg": b"Dear"}
    # A fault that outlasts all retries of the stage, and is over when the run is retried.
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1/[0-9]+/thumb", status=503):
        result = journeys.send(gallery_id, files)
    assert result.counts["failed"] + result.counts["saved"] == 3
    assert result.state == "failed"
    first = journeys.ended(result.flow_run_id)
    again = journeys.retry(result.flow_run_id)

    with GalleryClient(journeys.servers.info.api_url, journeys.servers.info.api_key) as client:
        status = client.status(result.upload_id)
    (upload,) = journeys.history("upload_history", result.upload_id, "1")
    runs = journeys.history("run_history", result.upload_id, "attempt")
    images = journeys.history("image_history", result.upload_id, "attempt, entry_number")

    counted = {name: upload[name] for name in ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")}
    assert counted == {name: number for name, number in status.counts.items() if name != "pending"}
    assert (upload["state"], upload["image_count"], upload["attempts"]) == (status.state, 4, 2)
    assert [run["message"] for run in runs] == [first["state"]["message"], again["state"]["message"]]
    assert [(run["saved"], run["rejected"], run["failed"]) for run in runs] == [(2, 1, 1), (1, 0, 0)]
    assert [run["trigger"] for run in runs] == ["api", "ui"]
    assert {str(run["flow_run_id"]) for run in runs} == {result.flow_run_id}

    assert [(row["attempt"], row["file_name"], row["outcome"]) for row in images] == [
        (1, "a.jpg", "failed"),
        (1, "b.jpg", "saved"),
        (1, "c.jpg", "saved"),
        (1, "letter.jpg", "rejected"),
        (2, "a.jpg", "saved"),
    ]
    failed, saved = images[0], images[1]
    assert (failed["stage"], failed["reason"], failed["retries"]) == ("process", "storage_unavailable", 2)
    assert (failed["save_seconds"], failed["bytes_in"], failed["bytes_out"]) == (None, len(files["a.jpg"]), 0)
    assert failed["process_seconds"] > 0
    assert [saved[f"{stage}_seconds"] > 0 for stage in ("download", "process", "save")] == [True] * 3
    assert (saved["retries"], saved["process_cached"], saved["width"]) == (0, False, 640)
    library = frozenset().union(*(version.keys for version in journeys.current(gallery_id).values()))
    assert upload["bytes_out"] == sum(len(journeys.read(key)) for key in library)
    assert upload["bytes_in"] == sum(len(content) for content in files.values())

    home = journeys.servers.home
    shown = json.loads(run("history", "--gallery", gallery_id, "--json", home=home).stdout)["uploads"]
    assert [(item["upload_id"], item["saved"], item["rejected"]) for item in shown] == [(result.upload_id, 3, 1)]
    told = run("history", "--runs", "--gallery", gallery_id, "--csv", home=home).stdout
    assert [row["message"] for row in csv.DictReader(io.StringIO(told))] == [run["message"] for run in reversed(runs)]
    told = run("failures", "--gallery", gallery_id, "--since", "1d", "--json", home=home).stdout
    assert [item["file_name"] for item in json.loads(told)["failures"]] == ["a.jpg", "letter.jpg"]
    told = run("failures", "--gallery", gallery_id, "--state", "rejected", home=home).stdout
    assert "letter.jpg" in told
    assert "a.jpg" not in told
    report = json.loads(run("report", "--gallery", gallery_id, "--json", home=home).stdout)
    assert sum(day["images"] for day in report["days"]) == 4
    assert {stage["stage"] for stage in report["stages"]} == {"download", "process", "save"}
    assert {reason["reason"] for reason in report["reasons"]} == {"storage_unavailable", "not_an_image"}
    done = run("history", "prune", "--dry-run", "--json", home=home)
    assert json.loads(done.stdout)["rows"] == 0, done.stderr
