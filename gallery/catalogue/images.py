"""The current images of a gallery, as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, select, tuple_
from sqlalchemy.orm import Session

from gallery.catalogue.tables import EntryRow, GalleryRow, ImageRow, RenditionRow, VersionRow
from gallery.errors import NotFoundError
from gallery.models import ObjectKey

ImageOrder = Literal["captured_at", "name"]
# After every ISO 8601 time: photographs that do not say when they were taken come last.
NO_TIME = "~"


@dataclass(frozen=True, slots=True)
class CurrentRendition:
    """A rendition of a current version; pixels and bytes."""

    style: str
    key: ObjectKey
    width: int
    height: int
    bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class CurrentImage:
    """An image with its current version. `metadata` is what the caller gave with the file."""

    image_id: UUID
    file_name: str
    upload_id: str
    width: int
    height: int
    source_format: str
    captured_at: str | None
    placeholder: Any
    metadata: dict[str, Any]
    renditions: tuple[CurrentRendition, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last image's value of the order, and its file name, which is unique."""

    value: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some images in order, and where the next page begins, if there is one."""

    images: tuple[CurrentImage, ...]
    next: Position | None


def list_images(session: Session, gallery_id: str, *, order: ImageOrder, after: Position | None, limit: int) -> Page:
    """At most `limit` current images of a gallery, after a position. Raises `NotFoundError` for the gallery.

    By `captured_at` as the camera's clock had it, whatever its zone, which is how photographers sort; by `name`
    in code point order.
    """
    if session.get(GalleryRow, gallery_id) is None:
        raise NotFoundError(f"gallery {gallery_id} is not known")
    name = ImageRow.file_name.collate("C")
    value = name if order == "name" else _captured_at()
    query = _images(gallery_id).order_by(value, name).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(value, name) > tuple_(literal(after.value), literal(after.file_name)))
    rows = session.execute(query).all()
    images = _with_renditions(session, rows[:limit])
    if len(rows) <= limit:
        return Page(images, None)
    last = images[-1]
    return Page(images, Position(last.file_name if order == "name" else last.captured_at or NO_TIME, last.file_name))


def get_image(session: Session, gallery_id: str, image_id: UUID) -> CurrentImage:
    """One current image. Raises `NotFoundError`."""
    found = _with_renditions(session, session.execute(_images(gallery_id).where(ImageRow.image_id == image_id)).all())
    if not found:
        raise NotFoundError(f"gallery {gallery_id} has no image {image_id}")
    return found[0]


def _images(gallery_id: str) -> Select[ImageRow, VersionRow, dict[str, Any]]:
    entry = and_(EntryRow.upload_id == VersionRow.upload_id, EntryRow.number == VersionRow.entry_number)
    query = select(ImageRow, VersionRow, EntryRow.meta).where(ImageRow.gallery_id == gallery_id)
    return query.join(VersionRow, VersionRow.version_id == ImageRow.current_version_id).join(EntryRow, entry)


def _with_renditions(
    session: Session, rows: Sequence[Row[ImageRow, VersionRow, dict[str, Any]]]
) -> tuple[CurrentImage, ...]:
    renditions = _renditions(session, [version.version_id for _, version, _ in rows])
    return tuple(
        _image(image, version, metadata, renditions.get(version.version_id, ())) for image, version, metadata in rows
    )


def _captured_at() -> ColumnElement[str]:
    return func.coalesce(VersionRow.meta["captured_at"].astext, NO_TIME).collate("C")


def _renditions(session: Session, versions: Sequence[UUID]) -> dict[UUID, tuple[CurrentRendition, ...]]:
    found: dict[UUID, tuple[CurrentRendition, ...]] = {}
    query = select(RenditionRow).where(RenditionRow.version_id.in_(versions)).order_by(RenditionRow.style)
    for row in session.scalars(query):
        found[row.version_id] = (*found.get(row.version_id, ()), rendition_of(row))
    return found


def rendition_of(row: RenditionRow) -> CurrentRendition:
    """A rendition's row, for those who show it."""
    return CurrentRendition(row.style, row.key, row.width, row.height, row.bytes, row.content_type)


def _image(
    image: ImageRow, version: VersionRow, metadata: dict[str, Any], renditions: tuple[CurrentRendition, ...]
) -> CurrentImage:
    captured_at = version.meta.get("captured_at")
    return CurrentImage(
        image.image_id,
        image.file_name,
        version.upload_id,
        version.width,
        version.height,
        version.source_format,
        captured_at if isinstance(captured_at, str) else None,
        version.meta.get("placeholder"),
        metadata,
        renditions,
    )


def find_rendition_key(session: Session, gallery_id: str, image_id: UUID, style: str) -> ObjectKey:
    """The key of the rendition that is current now. Raises `NotFoundError`."""
    key = session.scalar(
        select(RenditionRow.key)
        .join(ImageRow, ImageRow.current_version_id == RenditionRow.version_id)
        .where(ImageRow.gallery_id == gallery_id, ImageRow.image_id == image_id, RenditionRow.style == style)
    )
    if key is None:
        raise NotFoundError(f"gallery {gallery_id} has no image {image_id} with a rendition {style!r}")
    return key
