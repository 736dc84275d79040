"""Versions: one becomes current, the former one is superseded. For a save and for a rebuild alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from gallery.catalogue.tables import ImageRow, RenditionRow, VersionRow
from gallery.models import ObjectKey, ProcessedImage


class Source(Protocol):
    """The file that a version is made of: of an entry that is saved, or of the version that is rebuilt."""

    @property
    def upload_id(self) -> str: ...
    @property
    def entry_number(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def original_key(self) -> ObjectKey: ...


@dataclass(frozen=True, slots=True)
class SavedSource:
    """The `Source` of an entry that is saved; `size` in bytes."""

    upload_id: str
    entry_number: int
    etag: str
    size: int
    original_key: ObjectKey


def current_version(session: Session, image: ImageRow) -> VersionRow | None:
    """The version that an image shows; `None` for one that is new or deleted."""
    return None if image.current_version_id is None else session.get(VersionRow, image.current_version_id)


def renditions_of(session: Session, version: VersionRow) -> Sequence[RenditionRow]:
    """All renditions of a version."""
    return session.scalars(select(RenditionRow).where(RenditionRow.version_id == version.version_id)).all()


def make_current(
    session: Session,
    image: ImageRow,
    former: VersionRow | None,
    source: Source,
    processed: ProcessedImage,
    *,
    kept: Sequence[RenditionRow] = (),
    recipe_id: str | None = None,
) -> list[ObjectKey]:
    """Make a new version of `image` current, whose row the caller has locked; `former` is superseded.

    `kept` are renditions that it takes over from the former one; `recipe_id` is then that of both together (default:
    that of `processed`). Returns the library keys, in order, that belonged to the former version and not to the new
    one: they are superfluous once this commits.
    """
    before = set() if former is None else {former.original_key, *_keys(session, former)}
    version = VersionRow(
        image_id=image.image_id,
        upload_id=source.upload_id,
        entry_number=source.entry_number,
        sha256=processed.sha256,
        etag=source.etag,
        size=source.size,
        recipe_id=recipe_id or processed.recipe_id,
        original_key=source.original_key,
        source_format=processed.source_format,
        width=processed.width,
        height=processed.height,
        meta=dict(processed.metadata),
    )
    session.add(version)
    if former is not None:
        former.superseded_at = func.now()
    session.flush()
    renditions = [*_made(processed), *map(_taken_over, kept)]
    session.execute(insert(RenditionRow), [{"version_id": version.version_id, **values} for values in renditions])
    image.current_version_id = version.version_id
    return sorted(before - {source.original_key, *(values["key"] for values in renditions)})


def _keys(session: Session, version: VersionRow) -> Sequence[ObjectKey]:
    return session.scalars(select(RenditionRow.key).where(RenditionRow.version_id == version.version_id)).all()


def _made(processed: ProcessedImage) -> list[dict[str, Any]]:
    return [
        {**rendition.model_dump(exclude={"etag"}), "recipe_id": processed.recipe_id}
        for rendition in processed.renditions
    ]


def _taken_over(row: RenditionRow) -> dict[str, Any]:
    columns = ("style", "key", "width", "height", "bytes", "content_type", "recipe_id")
    return {name: getattr(row, name) for name in columns}
