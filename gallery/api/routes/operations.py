"""What ops press as buttons in the Prefect UI, for other systems: retry, cancel; and the callback once more."""

from __future__ import annotations

from fastapi import APIRouter, Request

from gallery import runs
from gallery.api.auth import Caller
from gallery.api.background.restarts import run_again
from gallery.api.routes.uploads import accepted_answer
from gallery.api.schemas import AcceptedAnswer, UploadId
from gallery.api.services import services_of
from gallery.catalogue import attempts, callbacks
from gallery.catalogue.locks import lock_upload
from gallery.errors import ConflictError
from gallery.models import FINAL_STATES

router = APIRouter(prefix="/v1/uploads/{upload_id}", tags=["operations"])


@router.post("/retry", status_code=202)
def retry(upload_id: UploadId, request: Request, caller: Caller) -> AcceptedAnswer:
    """Run an ended upload again: it works only on what is not done. 409 while it is under way or was never whole."""
    services = services_of(request)
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        if row.accepted_seq is None or row.state not in FINAL_STATES:
            raise ConflictError(f"upload {upload_id} is {row.state}: there is nothing to retry")
        run_again(session, row, caller)
    services.starter.wake()
    return accepted_answer(row)


@router.post("/cancel", status_code=202)
def cancel(upload_id: UploadId, request: Request, _: Caller) -> AcceptedAnswer:
    """Cancel an upload that is accepted or running; what is saved stays saved. 409 where it has ended or is open."""
    services = services_of(request)
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        if row.state not in ("accepted", "running"):
            raise ConflictError(f"upload {upload_id} is {row.state}: there is nothing to cancel")
        begun = row.state == "running"
        # A run that could not begin has ended in Prefect: what is cancelled is the one to come.
        if row.flow_run_id is not None and row.restart_after is None:
            at_once = runs.cancel_run(row.flow_run_id)
            begun = begun and not at_once
        if not begun:
            # Nobody else would write it: a run that has not begun has no hooks.
            attempts.cancel_unstarted(session, row)
            session.refresh(row)
    services.callbacks.wake()
    return accepted_answer(row)


@router.post("/callback", status_code=202)
def callback(upload_id: UploadId, request: Request, _: Caller) -> AcceptedAnswer:
    """Send an upload's last callback again, under the same `webhook-id`. 409 before it has ended."""
    services = services_of(request)
    if services.settings.callback_url is None:
        raise ConflictError("there is no GALLERY_CALLBACK_URL to send to")
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        callbacks.replay_callback(session, upload_id)
    services.callbacks.wake()
    return accepted_answer(row)
