"""Hooks of the flows: they write an end that the flow itself could not write. An end that is written stays."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from gallery import runs
from gallery.ingest import stages
from gallery.settings import load_settings
from tasks.upkeep import end_upkeep


def write_ingest_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Write the end of an ingest for its upload and attempt."""
    stages.end_run(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")


def write_upkeep_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Write the end of a rebuild or sweep for the history."""
    end_upkeep(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")
