"""What the flows of upkeep share: who writes an end that a run could not write itself."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from gallery import maintenance, runs
from gallery.settings import load_settings


def write_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A flow's hook: tell the history of an end that the flow itself could not write; a written end stays."""
    maintenance.end_run(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")
