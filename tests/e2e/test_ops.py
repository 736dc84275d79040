"""What operators have in the Prefect UI: forms, names, artifacts, limits, Retry. Cancel: test_cancelling.py."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from gallery.runs import DEPLOYMENTS, LIMIT_NAME, REBUILD_QUEUE, RETRY_AUTOMATION
from tests.command import gallery
from tests.conftest import PROJECT, runs_have
from tests.journeys import WAIT_SECONDS, Journeys, photo, wait_until

pytestmark = pytest.mark.usefixtures("warm_runs")


def filtered(journeys: Journeys, what: str, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = journeys.prefect.post(f"/{what}/filter", json=body).json()
    return found


def artifacts(journeys: Journeys, flow_run_id: str | None) -> dict[str, dict[str, Any]]:
    """A run's artifacts by key; fails where there are two of a kind."""
    found = filtered(journeys, "artifacts", artifacts={"flow_run_id": {"any_": [flow_run_id]}})
    assert len({item["type"] for item in found}) == len(found)
    return {item["key"].split("-")[0]: item for item in found}


@contextmanager
def limit_events(journeys: Journeys) -> Iterator[Callable[[str | None], list[str]]]:
    """Listens; then tells how often a run took or gave back slots of limits, by the server's own events."""
    # Here, for their import takes seconds.
    from prefect.events import Event
    from prefect.events.clients import PrefectEventSubscriber
    from prefect.events.filters import EventFilter, EventNameFilter

    heard: list[Event] = []
    listening = threading.Event()

    async def listen() -> None:
        wanted = EventFilter(event=EventNameFilter(prefix=["prefect.concurrency-limit."]))
        async with PrefectEventSubscriber(journeys.servers.info.prefect_api_url, filter=wanted) as events:
            listening.set()
            async for event in events:
                heard.append(event)  # noqa: PERF401 - others read it meanwhile

    def of_run(flow_run_id: str | None) -> list[str]:
        run = f"prefect.flow-run.{flow_run_id}"
        found = [event for event in heard if run in {related.id for related in event.related}]
        return sorted(event.event.rsplit(".", 1)[1] for event in found)

    with start_blocking_portal() as portal:
        under_way = portal.start_task_soon(listen)
        assert listening.wait(WAIT_SECONDS)
        yield of_run
        under_way.cancel()


def has_begun(journeys: Journeys, gallery_id: str) -> bool | None:
    """Whether Prefect has a gallery's run as running."""
    runs = filtered(journeys, "flow_runs", flow_runs={"name": {"like_": f"{gallery_id} "}})
    return (bool(runs) and runs[0]["state"]["type"] == "RUNNING") or None


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
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
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


def test_a_run_tells_its_story_and_takes_one_slot_however_many_images_it_has(
    journeys: Journeys, gallery_id: str
) -> None:
    files = {f"IMG_{number}.jpg": photo(number) for number in range(20)}
    with limit_events(journeys) as slots:

        def gave_back(run_id: str | None) -> bool | None:
            return len(slots(run_id)) > 1 or None

        many = journeys.send(gallery_id, {**files, "letter.jpg": b"Dear Sir"})
        one = journeys.send(f"{gallery_id}-one", {"a.jpg": photo(1)})
        run = journeys.ended(many.flow_run_id)
        journeys.ended(one.flow_run_id)
        for run_id in (many.flow_run_id, one.flow_run_id):
            wait_until(partial(gave_back, run_id), "the slot to be given back")
    assert [slots(result.flow_run_id) for result in (many, one)] == [["acquired", "released"]] * 2
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


def test_a_run_waits_for_a_slot_and_takes_it_once_ops_have_raised_the_limit(
    journeys: Journeys, gallery_id: str
) -> None:
    limit = f"/v2/concurrency_limits/{LIMIT_NAME}"
    former = journeys.prefect.get(limit).json()["limit"]
    slot = {"names": [LIMIT_NAME], "slots": 1}
    # The killed run of another test may still have a slot for a while: with it or without, 1 is too few and 9 will do.
    journeys.prefect.patch(limit, json={"limit": 9})
    journeys.prefect.post("/v2/concurrency_limits/increment", json=slot).raise_for_status()
    journeys.prefect.patch(limit, json={"limit": 1})
    results: list[Any] = []
    sender = threading.Thread(target=lambda: results.append(journeys.send(gallery_id, {"a.jpg": photo(1)})))
    try:
        sender.start()
        wait_until(lambda: has_begun(journeys, gallery_id), "the run to come to its slot")
        time.sleep(3)  # with a slot it would have begun within one
        assert journeys.upload_of(gallery_id).attempt == 0, "it has not begun"
    finally:
        journeys.prefect.patch(limit, json={"limit": 9})
        sender.join(60)
        journeys.prefect.post("/v2/concurrency_limits/decrement", json=slot)
        journeys.prefect.patch(limit, json={"limit": former})
    assert results[0].state == "completed"


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
        named = ("id", "description", "tags", "parameters", "parameter_openapi_schema", "entrypoint", "pull_steps")
        schedules = [{key: item[key] for key in ("id", "slug", "active", "schedule")} for item in found["schedules"]]
        limit = found["global_concurrency_limit"]["limit"], found["concurrency_options"]
        return {**{key: found[key] for key in named}, "schedules": schedules, "limit": limit}

    automations = filtered(journeys, "automations")
    return {
        "automations": {
            item["id"]: [item[key] for key in ("name", "description", "enabled", "trigger", "actions")]
            for item in automations
        },
        "limit": journeys.prefect.get(f"/v2/concurrency_limits/{LIMIT_NAME}").json()["limit"],
        "pool": journeys.prefect.get("/work_pools/gallery").json()["concurrency_limit"],
        "queues": {
            item["id"]: [item[key] for key in ("name", "description", "priority", "concurrency_limit", "is_paused")]
            for item in filtered(journeys, "work_pools/gallery/queues")
        },
        "deployments": [deployment(name.partition("/")[0]) for name in DEPLOYMENTS],
    }


def test_set_up_again_changes_nothing_and_leaves_what_ops_have_changed(journeys: Journeys) -> None:
    automation = next(item for item in filtered(journeys, "automations") if item["name"] == RETRY_AUTOMATION)
    switch, limit = f"/automations/{automation['id']}", f"/v2/concurrency_limits/{LIMIT_NAME}"
    queue = f"/work_pools/gallery/queues/{REBUILD_QUEUE}"
    former = journeys.prefect.get(limit).json()["limit"]
    try:
        journeys.prefect.patch(switch, json={"enabled": False})
        journeys.prefect.patch(limit, json={"limit": former + 3})
        journeys.prefect.patch(queue, json={"concurrency_limit": 5})
        before = what_set_up_makes(journeys)
        assert {name: limit for name, _, _, limit, _ in before["queues"].values()}[REBUILD_QUEUE] == 5
        assert (before["automations"][automation["id"]][2], before["limit"]) == (False, former + 3)
        subprocess.run(
            [sys.executable, "-m", "deployments.set_up"],
            cwd=PROJECT,
            env=journeys.servers.info.process_environment(journeys.servers.given),
            check=True,
            capture_output=True,
        )
        assert what_set_up_makes(journeys) == before
    finally:
        journeys.prefect.patch(switch, json={"enabled": True})
        journeys.prefect.patch(limit, json={"limit": former})
        journeys.prefect.patch(queue, json={"concurrency_limit": None})


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


def test_every_setting_and_permission_can_be_tried(journeys: Journeys) -> None:
    found = gallery("check", "--json", home=journeys.servers.home)
    checks = json.loads(found.stdout)
    assert [item for item in checks if item["problem"]] == []
    assert found.returncode == 0
    names = [item["name"] for item in checks]
    assert len(names) == 17
    assert {"presigned POST: an expired one is refused", "signature: a request without one is refused"} <= set(names)
    environment = {
        name: value
        for name, value in journeys.servers.environment.items()
        if name.startswith(("GALLERY_", "AWS_")) and name != "GALLERY_HOME"
    }
    broken = {**environment, "GALLERY_LIBRARY_BUCKET": "no-such-bucket", "GALLERY_STYLES_FILE": "/nowhere.toml"}
    found = gallery("check", "--json", home=journeys.servers.home, **broken)
    problems = {item["name"]: item["problem"] for item in json.loads(found.stdout) if item["problem"]}
    assert found.returncode == 1
    assert "/nowhere.toml" in problems["styles and watermark"]
    assert "NoSuchBucket" in problems["library bucket no-such-bucket: copy, write, read, delete"]
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
