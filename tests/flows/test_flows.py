"""What each flow is before it runs: its name, its form, its hooks, and what the server may retry."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow

from flows.ingest_gallery import ingest_gallery
from flows.rebuild_renditions import rebuild_renditions
from flows.sweep_storage import sweep_storage
from gallery.runs import DEPLOYMENTS, run_name
from tasks.hooks import write_ingest_end, write_upkeep_end


def named(value: Any) -> str:
    """What a case is called; a flow's own text has its address in it."""
    return value.name if isinstance(value, Flow) else str(value)


FLOWS: list[Flow[..., Any]] = [ingest_gallery, rebuild_renditions, sweep_storage]


@pytest.mark.parametrize("flow", FLOWS, ids=named)
def test_a_flow_keeps_no_result_else_the_server_would_refuse_its_retry(flow: Flow[..., Any]) -> None:
    assert flow.persist_result is False
    assert f"{flow.name}/{flow.name}" in DEPLOYMENTS


@pytest.mark.parametrize("flow", FLOWS, ids=named)
def test_an_end_that_the_flow_cannot_write_is_written_by_a_hook(flow: Flow[..., Any]) -> None:
    hook = write_ingest_end if flow is ingest_gallery else write_upkeep_end
    assert flow.on_cancellation_hooks == flow.on_crashed_hooks == flow.on_failure_hooks == [hook]
    assert flow.on_completion_hooks == []


@pytest.mark.parametrize(
    ("flow", "titles"),
    [
        (ingest_gallery, {"gallery_id": "Gallery", "upload_id": "Upload", "force": "Redo everything"}),
        (rebuild_renditions, {"gallery_id": "Gallery", "style": "Style"}),
        (sweep_storage, {"dry_run": "Dry run", "grace_days": "Grace in days"}),
    ],
    ids=named,
)
def test_the_form_explains_every_parameter(flow: Flow[..., Any], titles: dict[str, str]) -> None:
    properties = flow.parameters.properties
    assert {name: field["title"] for name, field in properties.items()} == titles
    assert all(field["description"] for field in properties.values())
    assert flow.description


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        (ingest_gallery, {"gallery_id": "../etc"}),
        (ingest_gallery, {"gallery_id": "Summer"}),
        (ingest_gallery, {"gallery_id": "g", "upload_id": "-u"}),
        (ingest_gallery, {}),
        (rebuild_renditions, {"gallery_id": "a/b"}),
        (rebuild_renditions, {"style": "Large"}),
        (sweep_storage, {"grace_days": 1}),
        (sweep_storage, {"grace_days": 4000}),
    ],
    ids=named,
)
def test_wrong_parameters_are_refused_before_the_run(flow: Flow[..., Any], parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters(parameters)


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        (ingest_gallery, {"gallery_id": "summer-wedding"}),
        (ingest_gallery, {"gallery_id": "g", "upload_id": "20260620-3f9c", "force": True}),
        (rebuild_renditions, {}),
        (rebuild_renditions, {"gallery_id": "g", "style": "thumb"}),
        (sweep_storage, {"dry_run": False, "grace_days": 30}),
    ],
    ids=named,
)
def test_good_parameters_pass_as_they_are(flow: Flow[..., Any], parameters: dict[str, Any]) -> None:
    taken = flow.validate_parameters(parameters)
    assert {name: taken[name] for name in parameters} == parameters


@pytest.mark.parametrize(("images", "name"), [(1, "g · 1 image"), (1361, "g · 1,361 images"), (0, "g · 0 images")])
def test_a_run_is_named_after_what_it_is_about(images: int, name: str) -> None:
    assert run_name("g", images) == name
