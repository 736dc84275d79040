"""The current images of a gallery, their versions, and their deletion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from gallery.api.auth import Caller, KeyOrLink
from gallery.api.cursor import read_cursor, write_cursor
from gallery.api.restore import restore_version
from gallery.api.schemas import (
    Cursor,
    GalleryId,
    ImageAnswer,
    ImagesAnswer,
    RenditionAnswer,
    RestoreRequest,
    VersionAnswer,
    VersionsAnswer,
)
from gallery.api.services import Services, services_of
from gallery.catalogue import deletion, images
from gallery.catalogue.images import CurrentImage, CurrentRendition, ImageOrder
from gallery.catalogue.restoring import KeptVersion, list_versions

router = APIRouter(prefix="/v1/galleries/{gallery_id}", tags=["images"])
# Seconds that a presigned rendition is good for, and that browsers may keep the way to it.
RENDITION_FOR = 3600
REDIRECT_FOR = 300
StyleName = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


@router.get("/images")
def list_images(
    gallery_id: GalleryId,
    request: Request,
    caller: KeyOrLink,
    order: ImageOrder = "captured_at",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ImagesAnswer:
    """The current images with presigned addresses of their renditions, by capture time or by name, page by page."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    after = read_cursor(order, cursor) if cursor else None
    with services.transaction() as session:
        page = images.list_images(session, gallery_id, order=order, after=after, limit=limit)
    return ImagesAnswer(
        images=[_answer(services, image) for image in page.images],
        next_cursor=write_cursor(order, page.next) if page.next else None,
    )


@router.get("/images/{image_id}")
def get_image(gallery_id: GalleryId, image_id: UUID, request: Request, caller: KeyOrLink) -> ImageAnswer:
    """One current image, as the list has it."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    return _current(services, gallery_id, image_id)


# Before the next one: `versions` is no style's name.
@router.get("/images/{image_id}/versions")
def versions(gallery_id: GalleryId, image_id: UUID, request: Request, caller: KeyOrLink) -> VersionsAnswer:
    """All versions of an image, the newest first; former ones can be restored as long as they are kept."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    with services.transaction() as session:
        found = list_versions(session, gallery_id, image_id)
    return VersionsAnswer(versions=[_version(services, kept) for kept in found])


@router.post("/images/{image_id}/versions/{version_id}/restore")
def restore(
    gallery_id: GalleryId,
    image_id: UUID,
    version_id: UUID,
    request: Request,
    caller: KeyOrLink,
    body: Annotated[RestoreRequest | None, Body()] = None,
) -> ImageAnswer:
    """Make a former version the current one again, as a new version; the one that was current is kept in its place.

    Changes nothing where the image shows it already. 409 where its files are gone (they are kept for
    GALLERY_KEEP_REPLACED_DAYS), and, as `changed_meanwhile`, where the image shows another version than `expect`.
    """
    services = services_of(request)
    caller.check_gallery(gallery_id)
    restore_version(services, gallery_id, image_id, version_id, expect=body.expect if body else None)
    return _current(services, gallery_id, image_id)


@router.get("/images/{image_id}/{style}", status_code=307, response_class=RedirectResponse, response_model=None)
def rendition(gallery_id: GalleryId, image_id: UUID, style: StyleName, request: Request, caller: KeyOrLink) -> Response:
    """Redirects to the rendition that is current now: an address that stays good when the image is replaced."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    with services.transaction() as session:
        key = images.find_rendition_key(session, gallery_id, image_id, style)
    url = services.storage.presign_get(key, expires_seconds=RENDITION_FOR)
    return RedirectResponse(url, 307, headers={"Cache-Control": f"private, max-age={REDIRECT_FOR}"})


@router.delete("/images/{image_id}", status_code=204)
def delete_image(gallery_id: GalleryId, image_id: UUID, request: Request, caller: Caller) -> None:
    """Delete an image: its rows at once, its objects soon after. An upload accepted before cannot bring it back."""
    services = services_of(request)
    with services.transaction() as session:
        deletion.delete_image(
            session,
            gallery_id,
            image_id,
            uploads_bucket=services.storage.uploads_bucket,
            library_bucket=services.storage.library_bucket,
            requested_by=caller,
        )
    services.deleter.wake()


@router.delete("", status_code=204)
def delete_gallery(gallery_id: GalleryId, request: Request, caller: Caller) -> None:
    """Delete all images of a gallery, and cancel its open uploads. What is uploaded later begins it anew."""
    services = services_of(request)
    with services.transaction() as session:
        deletion.delete_gallery(
            session,
            gallery_id,
            uploads_bucket=services.storage.uploads_bucket,
            library_bucket=services.storage.library_bucket,
            requested_by=caller,
        )
    services.deleter.wake()
    services.callbacks.wake()


def _current(services: Services, gallery_id: str, image_id: UUID) -> ImageAnswer:
    with services.transaction() as session:
        return _answer(services, images.get_image(session, gallery_id, image_id))


def _version(services: Services, kept: KeptVersion) -> VersionAnswer:
    version = kept.version
    renditions = map(images.rendition_of, kept.renditions if kept.is_whole else ())
    return VersionAnswer(
        version_id=version.version_id,
        sha256=version.sha256,
        size=version.size,
        width=version.width,
        height=version.height,
        upload_id=version.upload_id,
        created_at=version.created_at,
        superseded_at=version.superseded_at,
        is_current=kept.is_current,
        kept_until=kept.kept_until if kept.is_whole else None,
        renditions=_renditions(services, renditions),
    )


def _renditions(services: Services, renditions: Iterable[CurrentRendition]) -> dict[str, RenditionAnswer]:
    return {
        item.style: RenditionAnswer(
            url=services.storage.presign_get(item.key, expires_seconds=RENDITION_FOR),
            width=item.width,
            height=item.height,
            bytes=item.bytes,
            content_type=item.content_type,
        )
        for item in renditions
    }


def _answer(services: Services, image: CurrentImage) -> ImageAnswer:
    return ImageAnswer(
        image_id=image.image_id,
        file_name=image.file_name,
        upload_id=image.upload_id,
        width=image.width,
        height=image.height,
        source_format=image.source_format,
        captured_at=image.captured_at,
        placeholder=image.placeholder,
        metadata=image.metadata,
        renditions=_renditions(services, image.renditions),
    )
