"""Versions that another recipe has made: finding them, and the transaction that rebuilds one."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from gallery.catalogue.outbox import put_in_outbox
from gallery.catalogue.snapshots import has_ended
from gallery.catalogue.tables import WRITE_NUMBERS, GalleryRow, ImageRow, RenditionRow, UploadRow, VersionRow
from gallery.catalogue.versions import make_current, renditions_of
from gallery.errors import NotFoundError
from gallery.models import Deletion, ObjectKey, ProcessedImage
from gallery.storage.keys import EntryKeys, short_recipe

Columns = TypeVarTuple("Columns")


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
    original_key: ObjectKey
    sha256: str
    write_number: int

    @property
    def keys(self) -> EntryKeys:
        """The library keys of its entry that the rebuild writes."""
        return EntryKeys(self.gallery_id, self.upload_id, self.entry_number, self.write_number)


@dataclass(frozen=True, slots=True)
class OutdatedCount:
    """How many versions are outdated: to be rebuilt now, and left alone since a run of their upload is under way."""

    due: int
    busy: int


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
            WRITE_NUMBERS.next_value(),
        ),
        selection,
    )
    if after is not None:
        query = query.where(tuple_(*place) > tuple_(literal(after.gallery_id), literal(after.file_name)))
    rows = session.execute(query.where(has_ended()).order_by(*place).limit(limit))
    return [OutdatedVersion(*row) for row in rows]


def _outdated(query: Select[*Columns], selection: Selection) -> Select[*Columns]:
    query = (
        query.select_from(ImageRow)
        .join(VersionRow, VersionRow.version_id == ImageRow.current_version_id)
        .join(UploadRow, UploadRow.upload_id == VersionRow.upload_id)
        .where(VersionRow.recipe_id != selection.recipe_id)
    )
    if selection.gallery_id is not None:
        query = query.where(ImageRow.gallery_id == selection.gallery_id)
    if selection.style is not None:
        made = select(RenditionRow.version_id).where(
            RenditionRow.version_id == VersionRow.version_id,
            RenditionRow.style == selection.style,
            RenditionRow.recipe_id.in_(names_of_recipe(selection.recipe_id)),
        )
        query = query.where(~made.exists())
    return query


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
    """Make a version of the same original with the renditions of `image` the current one.

    The caller has locked the version (`lock_version`). With a `style`, `image` has that one, and the others are taken
    over. `styles` are all that the recipe has. Returns which renditions of the former version are due for deletion:
    never the original, nor what the new version refers to. The place in the order of uploads stays: a rebuild is none.
    """
    former = session.get_one(VersionRow, outdated.version_id)
    kept = [] if style is None else [row for row in renditions_of(session, former) if row.style != style]
    gone = make_current(
        session,
        session.get_one(ImageRow, former.image_id),
        former,
        former,
        image,
        kept=kept,
        recipe_id=_recipe_id(former, image, kept, styles),
    )
    session.flush()
    superfluous = [(library_bucket, key, None) for key in gone]
    return put_in_outbox(session, former.upload_id, former.entry_number, superfluous, keep_replaced)


def _recipe_id(former: VersionRow, image: ProcessedImage, kept: Sequence[RenditionRow], styles: Collection[str]) -> str:
    made = {rendition.style for rendition in image.renditions} | {row.style for row in kept}
    names = names_of_recipe(image.recipe_id)
    if made == set(styles) and all(row.recipe_id in names for row in kept):
        return image.recipe_id
    # Of several recipes, so of none: were it to keep the former one's, a return to that would take it for done.
    return hashlib.sha256(f"{former.recipe_id} and {image.recipe_id}".encode()).hexdigest()


def names_of_recipe(recipe_id: str) -> tuple[str, str]:
    """What the column `recipe_id` of a rendition made by this recipe may hold.

    Of those that release 0.1.0 made in a rebuild of one style, only the digits in their keys are known.
    """
    return recipe_id, short_recipe(recipe_id)
