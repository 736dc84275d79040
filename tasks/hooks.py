"""Hooks of the flows: they write an end that the flow itself could not write. An end that is written stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger

from gallery import runs
from gallery.errors import GalleryError
from gallery.ingest import stages
from gallery.models import UploadState
from gallery.settings import Settings, load_settings
from tasks.upkeep import end_upkeep

Write = Callable[[Settings, UUID, UploadState, str], None]


def write_ingest_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Write the end of an ingest for its upload and attempt."""
    _write(stages.end_run, flow, flow_run, state)


def write_upkeep_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Write the end of a rebuild or sweep for the history."""
    _write(end_upkeep, flow, flow_run, state)


def _write(write: Write, flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    try:
        write(load_settings(), flow_run.id, runs.upload_state(state), state.message or state.name or "")
    except GalleryError as error:
        # Most likely what has ended the run as well. Raised here, it would be three tracebacks in its log.
        flow_run_logger(flow_run, flow).warning("The end of this run is not in the history yet: %s", error)
