"""Links to the upload page, and what the page has to know beforehand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Request

from gallery.api.auth import Caller
from gallery.api.links import UploadLink, sign_link
from gallery.api.schemas import MAX_FILES, GalleryId, LimitsAnswer, LinkAnswer, LinkRequest
from gallery.api.services import services_of

router = APIRouter(prefix="/v1", tags=["upload page"])
# What photographers have on their cards and no decoder of ours opens: raw files, films, notes beside them.
UNSUPPORTED_EXTENSIONS = [
    "3fr",
    "3gp",
    "arw",
    "avi",
    "bay",
    "cr2",
    "cr3",
    "crw",
    "dcr",
    "dng",
    "eip",
    "erf",
    "fff",
    "gpr",
    "iiq",
    "k25",
    "kdc",
    "lrcat",
    "lrv",
    "m4v",
    "mdc",
    "mef",
    "mkv",
    "mos",
    "mov",
    "mp4",
    "mrw",
    "mts",
    "nef",
    "nrw",
    "orf",
    "pdf",
    "pef",
    "psb",
    "psd",
    "ptx",
    "raf",
    "raw",
    "rw2",
    "rwl",
    "sr2",
    "srf",
    "srw",
    "svg",
    "thm",
    "txt",
    "wav",
    "x3f",
    "xmp",
    "zip",
]


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
    """What will be refused, so that the page can say so before it sends."""
    settings = services_of(request).settings
    return LimitsAnswer(
        max_file_bytes=settings.max_file_bytes,
        max_files=MAX_FILES,
        unsupported_extensions=UNSUPPORTED_EXTENSIONS,
    )
