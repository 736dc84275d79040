"""Nothing is replaced unasked: compare before sending, and decide about what was refused at save."""

from __future__ import annotations

from fastapi import APIRouter, Request

from gallery.api.auth import KeyOrLink
from gallery.api.background.restarts import end_former, run_again
from gallery.api.declared import check_files
from gallery.api.routes.uploads import accepted_answer
from gallery.api.schemas import (
    CompareAnswer,
    ComparedFile,
    CompareRequest,
    DecidedAnswer,
    DecidedFile,
    DecideRequest,
    GalleryId,
    UploadId,
)
from gallery.api.services import services_of
from gallery.catalogue.compare import Comparison, OfferedFile, compare
from gallery.catalogue.decisions import decide
from gallery.catalogue.locks import lock_upload
from gallery.errors import RefusedRequest

router = APIRouter(prefix="/v1", tags=["uploads"])


@router.post("/galleries/{gallery_id}/compare")
def compare_files(gallery_id: GalleryId, body: CompareRequest, request: Request, caller: KeyOrLink) -> CompareAnswer:
    """Tell what sending these files would do to the gallery. An unknown gallery has no images."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    files = [OfferedFile(name, file.size, file.sha256) for name, file in check_files(body.files)]
    with services.transaction() as session:
        compared = compare(session, gallery_id, files, services.recipe_id)
    return CompareAnswer(files=[_compared(one) for one in compared])


@router.post("/uploads/{upload_id}/decide", status_code=202)
def decide_files(upload_id: UploadId, body: DecideRequest, request: Request, caller: KeyOrLink) -> DecidedAnswer:
    """Settle entries with reason `would_replace`, without sending them again; the upload runs again for these.

    `replace` replaces the version that it was refused for, `keep_both` takes the first free name, `skip` leaves it out.
    The same call again changes nothing. 409 while a process works on the upload, and for a file that waits for no
    decision.
    """
    services = services_of(request)
    if not body.files and body.choice is None:
        raise RefusedRequest("invalid_request", "say what to decide: files, or a choice for all that wait")
    choices = {name: file.choice for name, file in check_files(body.files)}
    replaced = None
    with services.transaction() as session:
        row = lock_upload(session, upload_id)
        caller.check_gallery(row.gallery_id)
        decided = decide(session, row, choices, body.choice)
        if decided.to_do:
            replaced = run_again(session, row, caller.name)
    end_former(replaced)
    services.starter.wake()
    files = [
        DecidedFile(file_name=one.file_name, choice=one.choice, new_name=one.new_name) for one in decided.decisions
    ]
    return DecidedAnswer(**accepted_answer(row).model_dump(), files=files)


def _compared(found: Comparison) -> ComparedFile:
    return ComparedFile(
        file_name=found.file_name,
        would=found.would,
        sha256=found.sha256,
        image_id=found.image_id,
        same_content_as=list(found.same_content_as),
        recipe=None if found.would != "leave_unchanged" else "former" if found.is_former_recipe else "current",
        hash_wanted=found.hash_wanted,
        under_way_as=list(found.under_way_as),
        same_content_under_way=list(found.same_content_under_way),
    )
