"""The one place that talks to Prefect's API: starts runs and says where to look at them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.urls import url_for

from gallery.catalogue.uploads import StartRequest
from gallery.errors import PrefectUnavailable
from gallery.models import UploadState

DEPLOYMENT = "ingest-gallery/ingest-gallery"
# The global concurrency limit that every ingest takes one slot of; ops change it in the Prefect UI.
LIMIT_NAME = "gallery-ingest"


def run_name(gallery_id: str, image_count: int) -> str:
    """What the run list shows: `summer-wedding · 1,361 images`."""
    return f"{gallery_id} · {image_count:,} image{'' if image_count == 1 else 's'}"


def flow_run_url(flow_run_id: UUID | None) -> str | None:
    """The run's page in the Prefect UI."""
    return url_for("flow-run", obj_id=flow_run_id) if flow_run_id else None


def upload_state(state: State[Any]) -> UploadState:
    """The upload's state for a run that ended outside its own report."""
    if state.is_cancelled() or state.is_cancelling():
        return "cancelled"
    return "crashed" if state.is_crashed() else "failed"


def name_run(flow_run_id: UUID, current: str | None, wanted: str) -> None:
    """Give a run that was started by hand the name that a started one has."""
    if current != wanted:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run_id, name=wanted)


class RunStarter:
    """Starts one flow run an upload, however often it is asked: the upload's id is the idempotency key.

    Keeps its connection and the deployment's id, so that a start is one request. For one thread.
    """

    def __init__(self) -> None:
        self._client: SyncPrefectClient | None = None
        self._deployment_id: UUID | None = None

    def close(self) -> None:
        """Close the connection; the next start opens another."""
        if self._client is not None:
            self._client.__exit__(None, None, None)
        self._client, self._deployment_id = None, None

    def start(self, request: StartRequest) -> UUID:
        """Create the upload's flow run, or find the one it has. Raises `PrefectUnavailable`."""
        try:
            return self._start(request)
        except ObjectNotFound as error:
            self.close()
            raise PrefectUnavailable(f"Prefect has no deployment {DEPLOYMENT}: run `gallery setup`") from error
        except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
            self.close()
            raise PrefectUnavailable(f"Prefect's API: {type(error).__name__}") from error

    def _start(self, request: StartRequest) -> UUID:
        if self._client is None:
            self._client = get_client(sync_client=True).__enter__()
        if self._deployment_id is None:
            self._deployment_id = self._client.read_deployment_by_name(DEPLOYMENT).id
        run = self._client.create_flow_run_from_deployment(
            self._deployment_id,
            parameters={"gallery_id": request.gallery_id, "upload_id": request.upload_id},
            name=run_name(request.gallery_id, request.image_count),
            idempotency_key=request.upload_id,
        )
        return run.id
