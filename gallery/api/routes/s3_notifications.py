"""S3's own events: what has arrived is known without a listing, and an upload completes without its browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasicCredentials

from gallery.api.auth import basic, bearer, identify_store
from gallery.api.schemas import ArrivedAnswer
from gallery.api.services import Services, services_of
from gallery.catalogue import arrivals
from gallery.storage.events import read_events

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/plain": {"schema": {"type": "string"}},
        },
    },
}


@router.post("/s3", openapi_extra={**BODY, "security": [{}]})
async def s3_notification(
    request: Request,
    with_token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    with_password: Annotated[HTTPBasicCredentials | None, Depends(basic)],
    x_amz_sns_message_type: Annotated[str | None, Header()] = None,
) -> ArrivedAnswer:
    """Take S3 event notifications: direct ones with an API key, or messages of the SNS topics that are listed.

    Marks declared files of open uploads as arrived; an upload whose last file this was is completed. Everything
    else (unknown keys, other buckets, repeats) changes nothing and is answered alike, so that nobody sends it again.
    """
    services = services_of(request)
    if x_amz_sns_message_type is None:
        identify_store(request, with_token or with_password)
    return await run_in_threadpool(_take, services, await request.body(), x_amz_sns_message_type is not None)


@router.post("/s3/{key:path}", openapi_extra=BODY)
async def s3_notification_with_key(request: Request, key: str) -> ArrivedAnswer:
    """As `POST /v1/webhooks/s3`, with an API key in the path: for stores that can send it in no other way.

    The key stands in no log of ours. One of its own for this alone can be taken back without harm to others.
    """
    identify_store(request, key)
    return await run_in_threadpool(_take, services_of(request), await request.body(), False)


def _take(services: Services, body: bytes, by_sns: bool) -> ArrivedAnswer:
    text = services.sns.open(body) if by_sns else body
    if text is None:
        return ArrivedAnswer(arrived=0)
    # Events of the library bucket end here: what an ingest writes must not start another.
    keys = [item.key for item in read_events(text) if item.bucket == services.storage.uploads_bucket]
    with services.transaction() as session:
        arrived = arrivals.mark_arrived(session, keys)
    if arrived:
        services.reconciler.wake()
    return ArrivedAnswer(arrived=arrived)
