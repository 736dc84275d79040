"""What ops press as buttons in the Prefect UI, for other systems: retry, cancel; and the callback once more."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from gallery import runs
from gallery.api.auth import Caller
from gallery.api.background.restarts import end_former, run_again
from gallery.api.routes.uploads import accepted_answer
from gallery.api.schemas import AcceptedAnswer, UploadId
from gallery.api.services import services_of
from gallery.catalogue import attempts, callbacks
from gallery.catalogue.claims import has_live_owner
from gallery.catalogue.locks import lock_upload
from gallery.errors import ConflictError, NotFoundError
from gallery.models import FINAL_STATES

router = APIRouter(prefix="/v1/uploads/{upload_id}", tags=["operations"])


@router.post("/retry", status_code=202)
def retry(upload_id: UploadId, request: Request, caller: Caller) -> AcceptedAnswer:
    """Have what is not done continued, whatever state the upload is in; one that is about to start is left alone.

    409 while a process works on it, or where it was never whole.
    """
    services = services_of(request)
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        if row.accepted_seq is None:
            raise ConflictError(
                f"upload {upload_id} is {row.state}: it was never complete, so there is nothing to retry"
            )
        if has_live_owner(session, upload_id, row.attempt):
            raise ConflictError(f"upload {upload_id} is {row.state}: a process works on it; cancel it first")
        replaced = run_again(session, row, caller)
    end_former(replaced)
    services.starter.wake()
    return accepted_answer(row)


@router.post("/cancel", status_code=202)
def cancel(upload_id: UploadId, request: Request, _: Caller) -> AcceptedAnswer:
    """Cancel an upload that is accepted or running; what is saved stays saved. 409 where it has ended or is open.

    `running` in the answer: a process works on it, and is being stopped. The same call again changes nothing.
    """
    services = services_of(request)
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        if row.accepted_seq is None or (row.state in FINAL_STATES and row.restart_after is None):
            raise ConflictError(f"upload {upload_id} is {row.state}: there is nothing to cancel")
        is_being_stopped = row.flow_run_id is not None and _stop(row.flow_run_id)
        if not (is_being_stopped and has_live_owner(session, upload_id, row.attempt)):
            # Nobody else would write it.
            attempts.cancel(session, row)
    services.callbacks.wake()
    return accepted_answer(row)


def _stop(flow_run_id: UUID) -> bool:
    """Cancel a run; whether Prefect's worker will end its process, and write the end."""
    try:
        return not runs.cancel_run(flow_run_id)
    except NotFoundError:  # Prefect keeps runs for a while only
        return False


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
