"""What operators have in the Prefect UI: forms, names, artifacts, limits, Retry. Cancel: test_cancelling.py."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gallery.runs import DEPLOYMENTS, FORMER_LIMIT, INGEST_QUEUE, REBUILD_QUEUE, RETRY_AUTOMATION, UPKEEP_QUEUE
from tests.command import gallery
from tests.conftest import PROJECT, runs_have
from tests.journeys import Journeys, photo, wait_until

pytestmark = pytest.mark.usefixtures("warm_runs")


def filtered(journeys: Journeys, what: str, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = journeys.prefect.post(f"/{what}/filter", json=body).json()
    return found


def artifacts(journeys: Journeys, flow_run_id: str | None) -> dict[str, dict[str, Any]]:
    """A run's artifacts by key; fails where there are two of a kind."""
    found = filtered(journeys, "artifacts", artifacts={"flow_run_id": {"any_": [flow_run_id]}})
    assert len({item["type"] for item in found}) == len(found)
    return {item["key"].split("-")[0]: item for item in found}


def test_the_form_of_an_ingest_explains_itself_and_refuses_what_no_gallery_is_called(journeys: Journeys) -> None:
    deployment = journeys.deployment("ingest-gallery")
    form = deployment["parameter_openapi_schema"]["properties"]
    assert {name: field["title"] for name, field in form.items()} == {
        "gallery_id": "Gallery",
        "upload_id": "Upload",
        "force": "Redo everything",
    }
    assert all(field["description"] for field in form.values())
    assert deployment["description"]
    for wrong in (
        {"gallery_id": "../x"},
        {"gallery_id": "good", "upload_id": "a b"},
        {"gallery_id": "good", "force": 7},
    ):
        refused = journeys.submit("ingest-gallery", **wrong)
        assert refused.status_code == 409, wrong
    unknown = journeys.run_deployment(gallery_id="never-heard-of")
    assert unknown["state"]["type"] == "FAILED"
    assert "gallery 'never-heard-of' is not known" in unknown["state"]["message"]


def test_a_run_tells_its_story(journeys: Journeys, gallery_id: str) -> None:
    files = {f"IMG_{number}.jpg": photo(number) for number in range(20)}
    many = journeys.send(gallery_id, {**files, "letter.jpg": b"Dear Sir"})
    one = journeys.send(f"{gallery_id}-one", {"a.jpg": photo(1)})
    run = journeys.ended(many.flow_run_id)
    journeys.ended(one.flow_run_id)
    assert (run["name"], run["state"]["name"]) == (f"{gallery_id} · 21 images", "Completed with rejects")

    story = artifacts(journeys, many.flow_run_id)
    assert set(story) == {"progress", "problems", "gallery"}
    assert (story["progress"]["data"], story["progress"]["description"]) == (100.0, "21 of 21 images")
    (problem,) = json.loads(story["problems"]["data"])
    assert (problem["file"], problem["outcome"], problem["reason"]) == ("letter.jpg", "rejected", "not_an_image")
    assert story["gallery"]["description"] == run["state"]["message"]
    assert f"/artifacts/artifact/{story['problems']['id']})" in story["gallery"]["data"]
    assert set(artifacts(journeys, one.flow_run_id)) == {"progress", "gallery"}

    # What the run has written is what the API shows to pages.
    shown = journeys.api.get(f"/v1/galleries/{gallery_id}-one/images").json()["images"]
    assert [(image["file_name"], set(image["placeholder"])) for image in shown] == [("a.jpg", {"colour", "thumbhash"})]

    mine = {"flow_run_id": {"any_": [many.flow_run_id]}, "level": {"ge_": 20}}
    lines = [line["message"] for line in filtered(journeys, "logs", logs=mine, limit=200)]
    ours = [line for line in lines if "Finished in state" not in line and not line.startswith("Task run")]
    # What happened: the plan, and the file that was rejected. The rest is Prefect's own.
    assert [line for line in ours if "IMG_" in line] == []
    assert Counter("letter.jpg" in line for line in ours)[True] == 1


def test_a_run_waits_without_a_process_until_ops_raise_the_limit(journeys: Journeys, gallery_id: str) -> None:
    results: list[Any] = []
    sender = threading.Thread(target=lambda: results.append(journeys.send(gallery_id, {"a.jpg": photo(1)})))

    def late() -> dict[str, Any] | None:
        runs = filtered(journeys, "flow_runs", flow_runs={"name": {"any_": [f"{gallery_id} · 1 image"]}})
        return runs[0] if runs and runs[0]["state"]["name"] == "Late" else None

    with journeys.queue_limit(INGEST_QUEUE, 0):
        sender.start()
        run = wait_until(late, "the run to be late")
        assert (run["run_count"], run["infrastructure_pid"]) == (0, None), "no process is started for it"
        assert journeys.upload_of(gallery_id).state == "accepted"
    sender.join(60)
    assert results[0].state == "completed"


def test_no_more_runs_of_a_queue_work_at_the_same_time_than_its_limit(journeys: Journeys, gallery_id: str) -> None:
    with journeys.queue_limit(INGEST_QUEUE, 1), ThreadPoolExecutor(3) as senders:
        galleries = [f"{gallery_id}-{number}" for number in range(3)]
        results = list(senders.map(lambda name: journeys.send(name, {"a.jpg": photo(1)}), galleries))
    runs = [journeys.ended(result.flow_run_id) for result in results]
    times = sorted((run["start_time"], run["end_time"]) for run in runs)
    assert all(ended <= started for (_, ended), (started, _) in pairwise(times)), times


def test_set_up_leaves_a_run_alone_that_holds_a_lease_of_the_former_release(journeys: Journeys) -> None:
    # Prefect's server could not end the run once the limit is deleted.
    flow_id = journeys.deployment("sweep-storage")["flow_id"]
    former = {"name": "former", "flow_id": flow_id, "concurrency_limit": 1}
    deployment = f"/deployments/{journeys.prefect.post('/deployments/', json=former).json()['id']}"
    run = journeys.prefect.post(f"{deployment}/create_flow_run", json={"name": "former-run"}).json()["id"]
    try:
        pending = {"state": {"type": "PENDING"}}
        assert journeys.prefect.post(f"/flow_runs/{run}/set_state", json=pending).json()["status"] == "ACCEPT"
        before = what_set_up_makes(journeys)
        refused = set_up(journeys)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "runs of release 0.1.0 are at work (former-run)" in refused.stderr
        assert what_set_up_makes(journeys) == before
    finally:
        journeys.prefect.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLED"}}).raise_for_status()
        journeys.prefect.delete(f"/flow_runs/{run}")
        journeys.prefect.delete(deployment)


def test_what_a_limit_has_rejected_is_taken_up_by_a_retry_once_the_limit_is_raised(
    journeys: Journeys, gallery_id: str
) -> None:
    with runs_have(journeys.servers, env={"GALLERY_MAX_PIXELS": "100000"}):
        result = journeys.send(gallery_id, {"large.jpg": photo(1), "small.jpg": photo(2, (320, 240))})
        assert journeys.outcomes(result.upload_id)["large.jpg"] == ("rejected", "too_many_pixels")
        assert journeys.ended(result.flow_run_id)["state"]["name"] == "Completed with rejects"
    run = journeys.retry(result.flow_run_id)
    assert (run["state"]["name"], run["state"]["message"]) == ("Completed", "2 of 2 saved")
    # Of the second attempt: one image, through three stages; the first made two downloads, two processes, a save.
    assert sum(journeys.task_runs(result.flow_run_id, 5 + 3).values()) == 8


def what_set_up_makes(journeys: Journeys) -> dict[str, Any]:
    """All that `gallery setup` makes in Prefect, without what changes by being used."""

    def deployment(name: str) -> dict[str, Any]:
        found = journeys.deployment(name)
        named = ["id", "description", "tags", "parameters", "parameter_openapi_schema", "entrypoint", "pull_steps"]
        named += ["global_concurrency_limit", "work_queue_name"]
        schedules = [{key: item[key] for key in ("id", "slug", "active", "schedule")} for item in found["schedules"]]
        return {**{key: found[key] for key in named}, "schedules": schedules}

    automations = filtered(journeys, "automations")
    return {
        "automations": {
            item["id"]: [item[key] for key in ("name", "description", "enabled", "trigger", "actions")]
            for item in automations
        },
        "limits": filtered(journeys, "v2/concurrency_limits"),
        "pool": journeys.prefect.get("/work_pools/gallery").json()["concurrency_limit"],
        "queues": {
            item["id"]: [item[key] for key in ("name", "description", "priority", "concurrency_limit", "is_paused")]
            for item in filtered(journeys, "work_pools/gallery/queues")
        },
        "deployments": [deployment(name.partition("/")[0]) for name in DEPLOYMENTS],
    }


def set_up(journeys: Journeys) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deployments.set_up"],
        cwd=PROJECT,
        env=journeys.servers.info.process_environment(journeys.servers.given),
        check=False,
        capture_output=True,
        text=True,
    )


def test_set_up_again_changes_nothing_and_leaves_what_ops_have_changed(journeys: Journeys) -> None:
    automation = next(item for item in filtered(journeys, "automations") if item["name"] == RETRY_AUTOMATION)
    switch = f"/automations/{automation['id']}"
    with journeys.queue_limit(INGEST_QUEUE, 5), journeys.queue_limit(REBUILD_QUEUE, None):
        try:
            journeys.prefect.patch(switch, json={"enabled": False})
            before = what_set_up_makes(journeys)
            limits = {name: limit for name, _, _, limit, _ in before["queues"].values()}
            assert limits == {INGEST_QUEUE: 5, REBUILD_QUEUE: None, UPKEEP_QUEUE: 1}
            assert before["automations"][automation["id"]][2] is False
            assert before["limits"] == [], "the queues' limits are the only ones"
            assert set_up(journeys).returncode == 0
            assert what_set_up_makes(journeys) == before
        finally:
            journeys.prefect.patch(switch, json={"enabled": True})


def test_queues_of_the_former_release_get_a_limit_once_the_one_that_ops_had_chosen(journeys: Journeys) -> None:
    # Here, for their import takes seconds.
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.set_up import DESCRIPTIONS_BEFORE, create_queues

    paths = {name: f"/work_pools/gallery/queues/{name}" for name in (INGEST_QUEUE, REBUILD_QUEUE)}
    now = {name: journeys.prefect.get(path).json() for name, path in paths.items()}

    def limits() -> list[int | None]:
        return [journeys.prefect.get(path).json()["concurrency_limit"] for path in paths.values()]

    with (
        temporary_settings({PREFECT_API_URL: str(journeys.prefect.base_url)}),
        get_client(sync_client=True) as client,
    ):
        try:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=FORMER_LIMIT, limit=7))
            for path, description in zip(paths.values(), DESCRIPTIONS_BEFORE, strict=True):
                journeys.prefect.patch(path, json={"description": description, "concurrency_limit": None})
            create_queues(client)
            assert limits() == [7, 1]
            # From here on it is for ops alone.
            journeys.prefect.patch(paths[INGEST_QUEUE], json={"concurrency_limit": None})
            create_queues(client)
            assert limits() == [None, 1]
            found = gallery("check", home=journeys.servers.home)
            assert found.returncode == 0
            assert f"the limit {FORMER_LIMIT} of release 0.1.0" in found.stdout
            assert gallery("setup", "--remove-former-limit", home=journeys.servers.home).returncode == 0
            assert filtered(journeys, "v2/concurrency_limits") == []
            assert FORMER_LIMIT not in gallery("check", home=journeys.servers.home).stdout
        finally:
            journeys.prefect.delete(f"/v2/concurrency_limits/{FORMER_LIMIT}")
            for name, path in paths.items():
                former = {key: now[name][key] for key in ("description", "concurrency_limit")}
                journeys.prefect.patch(path, json=former).raise_for_status()


def test_set_up_gives_a_pool_its_own_python_and_leaves_a_command_of_ops(journeys: Journeys) -> None:
    # Here, for their import takes seconds.
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.set_up import create_work_pool

    def template(command: str | None) -> dict[str, Any]:
        found: dict[str, Any] = journeys.prefect.get("/work_pools/gallery").json()["base_job_template"]
        found["variables"]["properties"]["command"]["default"] = command
        return found

    def after_set_up_of(command: str | None) -> str:
        journeys.prefect.patch("/work_pools/gallery", json={"base_job_template": template(command)}).raise_for_status()
        with (
            temporary_settings({PREFECT_API_URL: str(journeys.prefect.base_url)}),
            get_client(sync_client=True) as client,
        ):
            create_work_pool(client)
        found = journeys.prefect.get("/work_pools/gallery").json()
        return str(found["base_job_template"]["variables"]["properties"]["command"]["default"])

    before = journeys.prefect.get("/work_pools/gallery").json()["base_job_template"]
    own = shlex.join([sys.executable, "-m", "prefect.engine"])
    try:
        # Another Python: that of a venv that has been moved.
        for former in (None, "'/a former/bin/python' -m prefect.engine"):
            assert after_set_up_of(former) == own
        for of_ops in ("nice python -m prefect.engine", "'unclosed -m prefect.engine"):
            assert after_set_up_of(of_ops) == of_ops
    finally:
        journeys.prefect.patch("/work_pools/gallery", json={"base_job_template": before})
    assert before["variables"]["properties"]["command"]["default"] == own


def test_every_setting_and_permission_can_be_tried(journeys: Journeys, tmp_path: Path) -> None:
    found = gallery("check", "--json", home=journeys.servers.home)
    checks = json.loads(found.stdout)
    assert [item for item in checks if item["problem"]] == []
    assert found.returncode == 0
    names = [item["name"] for item in checks]
    assert len(names) == 23
    assert {"presigned POST: an expired one is refused", "signature: a request without one is refused"} <= set(names)
    environment = {
        name: value
        for name, value in journeys.servers.environment.items()
        if name.startswith(("GALLERY_", "AWS_")) and name != "GALLERY_HOME"
    }
    broken = {**environment, "GALLERY_LIBRARY_BUCKET": "no-such-bucket", "GALLERY_STYLES_FILE": "/nowhere.toml"}
    found = gallery("check", "--json", home=tmp_path, **broken)
    problems = {item["name"]: item["problem"] for item in json.loads(found.stdout) if item["problem"]}
    assert found.returncode == 1
    assert "/nowhere.toml" in problems["styles and watermark"]
    missing = problems["library bucket no-such-bucket: copy, write, read, delete"]
    assert "bucket no-such-bucket is not there: make it with `gallery setup`" in missing
    # Buckets that cannot be used refuse everything: that would prove nothing.
    assert problems["store: what it must refuse"].startswith("not tried")
    assert "PREFECT_API_URL is not set" in problems["Prefect: server"]


def test_the_sweep_is_scheduled(journeys: Journeys) -> None:
    deployment = journeys.deployment("sweep-storage")["id"]

    def planned() -> list[dict[str, Any]] | None:
        query = {
            "deployments": {"id": {"any_": [deployment]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }
        runs = filtered(journeys, "flow_runs", **query)
        return [run for run in runs if run["auto_scheduled"]] or None

    runs = wait_until(planned, "Prefect's scheduler to plan the next night's sweep")
    assert {run["parameters"]["dry_run"] for run in runs} == {False}
