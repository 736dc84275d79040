"""What sending files would do to a gallery, by their names, sizes and contents, before anything is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from gallery.catalogue.tables import EntryRow, ImageRow, UploadRow, VersionRow
from gallery.models import Would

SAME_SHOWN = 5
UNDER_WAY_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file that might be sent; `size` in bytes, `sha256` where it has been computed."""

    file_name: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What sending one file would do.

    `sha256`, `image_id` and `is_former_recipe` are of the current version of its name; `same_content_as` has the first
    other names under which the gallery has this content, and keeps it as far as is known; `same_content_under_way` has
    those that an upload under way has yet to decide about. `under_way_as` has the first names of files of such uploads
    that may be this one, by name or size. `hash_wanted`: its SHA-256 would tell more.
    """

    file_name: str
    would: Would
    sha256: str | None
    image_id: UUID | None
    same_content_as: tuple[str, ...]
    is_former_recipe: bool
    hash_wanted: bool
    under_way_as: tuple[str, ...] = ()
    same_content_under_way: tuple[str, ...] = ()


def compare(session: Session, gallery_id: str, files: Sequence[OfferedFile], recipe_id: str | None) -> list[Comparison]:
    """Compare files with a gallery's current images, in four queries however many they are; in the order given.

    `recipe_id` is the recipe of today, `None` where that is not known.
    """
    current = select(ImageRow.file_name, ImageRow.image_id, VersionRow.sha256, VersionRow.recipe_id).join(
        VersionRow, VersionRow.version_id == ImageRow.current_version_id
    )
    mine = current.where(ImageRow.gallery_id == gallery_id)
    names = [file.file_name for file in files]
    known = {row.file_name: row for row in session.execute(mine.where(_is_one_of(ImageRow.file_name, names)))}
    under_way: set[str] = set()
    under_way_by_size: dict[int | None, list[str]] = defaultdict(list)
    for name, size in session.execute(_under_way(gallery_id)):
        under_way.add(name)
        under_way_by_size[size].append(name)
    unread = {file.size for file in files if file.sha256 is None}
    sizes = set(
        session.scalars(
            select(VersionRow.size)
            .distinct()
            .join(ImageRow, ImageRow.current_version_id == VersionRow.version_id)
            .where(ImageRow.gallery_id == gallery_id, _is_one_of(VersionRow.size, unread))
        )
    )
    by_content: dict[str, list[str]] = defaultdict(list)
    hashes = {file.sha256 for file in files if file.sha256 is not None}
    same = mine.where(_is_one_of(VersionRow.sha256, hashes)).order_by(ImageRow.file_name)
    for row in session.execute(same):
        by_content[row.sha256].append(row.file_name)

    def one(file: OfferedFile) -> Comparison:
        here = known.get(file.file_name)
        is_same = here is not None and here.sha256 == file.sha256
        is_former = here is not None and is_same and recipe_id is not None and here.recipe_id != recipe_id
        would: Would = "leave_unchanged" if is_same else "add" if here is None else "replace"
        if file.file_name in under_way:
            # Also where it is the same: it may be about to be replaced.
            would = "unknown"
        elsewhere = [name for name in by_content[file.sha256 or ""] if name != file.file_name]
        meets = [file.file_name] if file.file_name in under_way else []
        meets += [name for name in under_way_by_size[file.size][:UNDER_WAY_SHOWN] if name != file.file_name]
        return Comparison(
            file.file_name,
            would,
            None if here is None else here.sha256,
            None if here is None else here.image_id,
            tuple([name for name in elsewhere if name not in under_way][:SAME_SHOWN]),
            is_former_recipe=is_former,
            hash_wanted=file.sha256 is None and (here is not None or file.size in sizes),
            under_way_as=tuple(meets[:UNDER_WAY_SHOWN]),
            same_content_under_way=tuple([name for name in elsewhere if name in under_way][:SAME_SHOWN]),
        )

    return [one(file) for file in files]


def _under_way(gallery_id: str) -> Select[str, int | None]:
    """Names and sizes of what an upload that is accepted or running has yet to decide, by name."""
    is_open = or_(EntryRow.outcome.is_(None), EntryRow.outcome == "failed", EntryRow.todo_attempt.is_not(None))
    size = func.coalesce(EntryRow.size, EntryRow.declared_size).label("size")
    return (
        select(EntryRow.file_name, size)
        .join(UploadRow, UploadRow.upload_id == EntryRow.upload_id)
        .where(UploadRow.gallery_id == gallery_id, UploadRow.state.in_(("accepted", "running")), is_open)
        .order_by(EntryRow.file_name)
    )


def _is_one_of(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    # One parameter, however many values: PostgreSQL takes 65,535.
    given = bindparam(None, sorted(values), type_=ARRAY(column.type))
    return column == any_(given)
