"""Links to the upload page, and what the page has to know beforehand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Request

from gallery.api.auth import Caller
from gallery.api.declared import UNSUPPORTED
from gallery.api.links import UploadLink, sign_link
from gallery.api.schemas import MAX_FILES, GalleryId, LimitsAnswer, LinkAnswer, LinkRequest
from gallery.api.services import services_of
from gallery.imaging.formats import UNSUPPORTED_EXTENSIONS

router = APIRouter(prefix="/v1", tags=["upload page"])


@router.post("/galleries/{gallery_id}/upload-links", status_code=201)
def make_link(
    gallery_id: GalleryId, request: Request, caller: Caller, body: Annotated[LinkRequest | None, Body()] = None
) -> LinkAnswer:
    """A link to the upload page, for one gallery and for a while. It is revoked by revoking the key that made it."""
    life = timedelta(seconds=(body or LinkRequest()).expires_in_seconds)
    link = UploadLink(caller, gallery_id, datetime.now(UTC) + life)
    token = sign_link(link, services_of(request).settings.api_keys)
    # The token is in the fragment, which browsers send to no server, log of a proxy or referrer.
    return LinkAnswer(
        url=f"{request.base_url}?gallery={gallery_id}#token={token}",
        token=token,
        expires_at=link.expires_at.isoformat(),
    )


@router.get("/limits")
def limits(request: Request) -> LimitsAnswer:
    """The limits on files and the extensions that are refused, for clients that check files before they send them."""
    settings = services_of(request).settings
    return LimitsAnswer(
        max_file_bytes=settings.max_file_bytes,
        max_files=MAX_FILES,
        unsupported_kinds={kind: sorted(extensions) for kind, extensions in UNSUPPORTED_EXTENSIONS.items()},
        unsupported_extensions=sorted(UNSUPPORTED),
        keep_replaced_days=settings.keep_replaced_days,
    )
