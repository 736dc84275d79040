"""What a rebuild asks the catalogue, and its one transaction: the same content gets renditions of another recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session

from gallery.catalogue.outbox import put_in_outbox
from gallery.catalogue.snapshots import has_ended
from gallery.catalogue.tables import GalleryRow, ImageRow, RenditionRow, UploadRow, VersionRow
from gallery.errors import NotFoundError
from gallery.models import Deletion, ProcessedImage
from gallery.names import rendition_name


@dataclass(frozen=True, slots=True)
class Selection:
    """Which current versions are outdated: those not made by `recipe_id`; with a `style`, only those whose rendition
    of that style was not made by it. In one gallery, or in all.
    """

    recipe_id: str
    style: str | None = None
    gallery_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutdatedVersion:
    """A current version that is to be rebuilt, as it was selected."""

    image_id: UUID
    version_id: UUID
    gallery_id: str
    file_name: str
    upload_id: str
    entry_number: int
    original_key: str
    sha256: str

    @property
    def prefix(self) -> str:
        """Where its objects are in the library bucket."""
        return f"{self.gallery_id}/{self.upload_id}/{self.entry_number}/"


@dataclass(frozen=True, slots=True)
class OutdatedCount:
    """How many versions are outdated: to be rebuilt now, and left alone since a run of their upload is under way."""

    due: int
    busy: int


Standing = Literal["current", "superseded", "busy"]


def check_gallery(session: Session, gallery_id: str) -> None:
    """Raises `NotFoundError` for a gallery that the catalogue does not know."""
    if session.get(GalleryRow, gallery_id) is None:
        raise NotFoundError(f"gallery {gallery_id!r} is not known: nothing was ever uploaded for it")


def count_outdated(session: Session, selection: Selection) -> OutdatedCount:
    """Count what a rebuild would find; one pass over the selection's images."""
    due, busy = func.count().filter(has_ended()), func.count().filter(~has_ended())
    return OutdatedCount(*session.execute(_outdated(select(due, busy), selection)).one())


def list_outdated(
    session: Session, selection: Selection, *, after: OutdatedVersion | None, limit: int
) -> list[OutdatedVersion]:
    """At most `limit` outdated versions that may be rebuilt now, by gallery and file name, behind `after`.

    What was rebuilt is no longer among them, so that a run that begins anew goes on where another has ended.
    """
    place = (ImageRow.gallery_id, ImageRow.file_name)
    query = _outdated(
        select(
            ImageRow.image_id,
            VersionRow.version_id,
            *place,
            VersionRow.upload_id,
            VersionRow.entry_number,
            VersionRow.original_key,
            VersionRow.sha256,
        ),
        selection,
    )
    if after is not None:
        query = query.where(tuple_(*place) > tuple_(literal(after.gallery_id), literal(after.file_name)))
    rows = session.execute(query.where(has_ended()).order_by(*place).limit(limit))
    return [OutdatedVersion(*row) for row in rows]


def _outdated(query: Select[Any], selection: Selection) -> Select[Any]:
    query = (
        query.select_from(ImageRow)
        .join(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
        .join(UploadRow, UploadRow.upload_id == VersionRow.upload_id)
        .where(VersionRow.recipe_id != selection.recipe_id)
    )
    if selection.gallery_id is not None:
        query = query.where(ImageRow.gallery_id == selection.gallery_id)
    if selection.style is not None:
        ours = f"/{rendition_name(selection.style, selection.recipe_id)}."
        made = select(RenditionRow.version_id).where(
            RenditionRow.version_id == VersionRow.version_id, RenditionRow.key.contains(ours, autoescape=True)
        )
        query = query.where(~made.exists())
    return query


def hold(session: Session, outdated: OutdatedVersion) -> Standing:
    """Lock a version's upload, shared, and its image until the transaction ends, and say how it stands.

    Only `current` may be rebuilt, within this transaction. Until it ends no attempt of the upload begins, which
    would write the same keys; no sweep takes objects of it, both need the upload's row for themselves; and no other
    upload replaces the image.
    """
    # The upload before the image, as a save does.
    upload = select(has_ended()).where(UploadRow.upload_id == outdated.upload_id)
    if not session.scalar(upload.with_for_update(read=True)):
        return "busy"
    image = select(ImageRow.current_version_id).where(ImageRow.image_id == outdated.image_id)
    return "current" if session.scalar(image.with_for_update()) == outdated.version_id else "superseded"


def is_current(session: Session, outdated: OutdatedVersion) -> bool:
    """Whether its image still shows this version, just now."""
    query = select(ImageRow.current_version_id).where(ImageRow.image_id == outdated.image_id)
    return session.scalar(query) == outdated.version_id


def commit_rebuild(
    session: Session,
    outdated: OutdatedVersion,
    image: ProcessedImage,
    *,
    style: str | None,
    styles: Collection[str],
    library_bucket: str,
    keep_replaced: timedelta = timedelta(0),
) -> list[Deletion]:
    """Make a version of the same original with the renditions of `image` the current one; the caller has `hold`.

    With a `style`, `image` has that one, and the others are taken over. `styles` are all that the recipe has.
    Returns which renditions of the former version are due for deletion: never the original, nor what the new version
    refers to. The place in the order of uploads stays: a rebuild is none.
    """
    former = session.get_one(VersionRow, outdated.version_id)
    before = session.scalars(select(RenditionRow).where(RenditionRow.version_id == former.version_id)).all()
    made: list[dict[str, Any]] = [rendition.model_dump(exclude={"etag"}) for rendition in image.renditions]
    if style is not None:
        columns = ("style", "key", "width", "height", "bytes", "content_type")
        made += [{name: getattr(row, name) for name in columns} for row in before if row.style != style]
    version = VersionRow(
        image_id=former.image_id,
        upload_id=former.upload_id,
        entry_number=former.entry_number,
        sha256=former.sha256,
        etag=former.etag,
        size=former.size,
        recipe_id=_recipe_id(former, image.recipe_id, made, styles),
        original_key=former.original_key,
        source_format=image.source_format,
        width=image.width,
        height=image.height,
        meta=dict(image.metadata),
    )
    session.add(version)
    former.superseded_at = func.now()
    session.flush()
    session.execute(insert(RenditionRow), [{"version_id": version.version_id, **values} for values in made])
    session.execute(
        update(ImageRow).where(ImageRow.image_id == former.image_id).values(current_version_id=version.version_id)
    )
    gone = {row.key for row in before} - {values["key"] for values in made}
    superfluous = [(library_bucket, key, None) for key in sorted(gone)]
    return put_in_outbox(session, former.upload_id, former.entry_number, superfluous, keep_replaced)


def _recipe_id(former: VersionRow, recipe_id: str, made: list[dict[str, Any]], styles: Collection[str]) -> str:
    whole = {values["style"] for values in made} == set(styles) and all(
        f"/{rendition_name(values['style'], recipe_id)}." in values["key"] for values in made
    )
    if whole:
        return recipe_id
    # Of several recipes, so of none: were it to keep the former one's, a return to that would take it for done.
    return hashlib.sha256(f"{former.recipe_id} and {recipe_id}".encode()).hexdigest()
