"""Signed webhooks: applications that stage files themselves say that an upload is complete."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from gallery import names
from gallery.api.auth import check_signature
from gallery.api.declared import check_files
from gallery.api.routes.uploads import accepted_answer
from gallery.api.schemas import AcceptedAnswer, StagedFile, WebhookBody
from gallery.api.services import Services, services_of
from gallery.catalogue import uploads
from gallery.errors import RefusedRequest
from gallery.storage.keys import given_staged_key

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post(
    "/uploads",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": WebhookBody.model_json_schema()}},
        }
    },
)
async def webhook(request: Request) -> AcceptedAnswer:
    """Accept an upload whose files are staged already, signed by the Standard Webhooks scheme."""
    body = await request.body()
    services = services_of(request)
    # The signature first: whoever cannot sign learns nothing of what else would be wrong.
    check_signature(body, request.headers, services.settings.webhook_secrets)
    return await run_in_threadpool(_accept, services, body)


def _accept(services: Services, body: bytes) -> AcceptedAnswer:
    try:
        upload = WebhookBody.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise RefusedRequest("invalid_request", f"{where}: {first['msg']}") from error
    names.check_gallery_id(upload.gallery_id)
    names.check_upload_id(upload.upload_id)
    declared = _declared(upload)
    with services.transaction() as session:
        row = uploads.accept_staged(
            session,
            upload_id=upload.upload_id,
            gallery_id=upload.gallery_id,
            files=declared,
            trigger="webhook",
            requested_by="webhook",
            metadata=upload.metadata,
        )
    if row.flow_run_id is None:
        services.starter.wake()
    return accepted_answer(row)


def _declared(upload: WebhookBody) -> list[uploads.DeclaredEntry]:
    keys: set[str] = set()

    def against(file: StagedFile) -> Iterator[tuple[str, str]]:
        try:
            key = given_staged_key(file.key, upload.gallery_id, upload.upload_id)
        except RefusedRequest as refusal:
            yield refusal.code, str(refusal)
            return
        if key in keys:
            yield "duplicate_key", f"key {file.key[:80]!r} stands twice"
        keys.add(key)

    return [
        uploads.DeclaredEntry(name, given_staged_key(file.key, upload.gallery_id, upload.upload_id), expect=file.expect)
        for name, file in check_files(upload.files, against)
    ]
