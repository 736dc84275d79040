"""S3's own events: what has arrived is known without a listing, and an upload completes without its browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool

from gallery.api.auth import bearer, identify, key_holder
from gallery.api.schemas import ArrivedAnswer
from gallery.api.services import Services, services_of
from gallery.catalogue import arrivals
from gallery.storage.events import read_events

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post(
    "/s3",
    openapi_extra={
        "security": [{"HTTPBearer": []}, {}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
    },
)
async def s3_notification(
    request: Request, x_amz_sns_message_type: Annotated[str | None, Header()] = None
) -> ArrivedAnswer:
    """Take S3 event notifications: direct ones with an API key, or messages of the SNS topics that are listed.

    Marks declared files of open uploads as arrived; an upload whose last file this was is completed. Everything
    else (unknown keys, other buckets, repeats) changes nothing and is answered alike, so that nobody sends it again.
    """
    services = services_of(request)
    if x_amz_sns_message_type is None:
        key_holder(identify(request, await bearer(request)))
    return await run_in_threadpool(_take, services, await request.body(), x_amz_sns_message_type is not None)


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
