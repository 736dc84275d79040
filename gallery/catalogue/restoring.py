"""The versions of an image, and how a former one becomes current again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gallery.catalogue.locks import lock_image, share_order
from gallery.catalogue.outbox import put_in_outbox
from gallery.catalogue.tables import ACCEPTED_SEQ, WRITE_NUMBERS, ImageRow, OutboxRow, RenditionRow, VersionRow
from gallery.catalogue.versions import SavedSource, current_version, make_current, renditions_of
from gallery.errors import ChangedMeanwhile, ConflictError, NotFoundError
from gallery.models import ObjectKey, ProcessedImage
from gallery.storage.keys import rewritten


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version with its renditions. `is_whole`: all its files are there; `kept_until`: when those of a former version
    are due for deletion.
    """

    version: VersionRow
    renditions: tuple[RenditionRow, ...]
    is_current: bool
    is_whole: bool
    kept_until: datetime | None


def list_versions(session: Session, gallery_id: str, image_id: UUID) -> list[KeptVersion]:
    """All versions of an image, the newest first. Raises `NotFoundError`."""
    image = session.get(ImageRow, image_id)
    if image is None or image.gallery_id != gallery_id:
        raise NotFoundError(f"gallery {gallery_id} has no image {image_id}")
    query = select(VersionRow).where(VersionRow.image_id == image_id)
    return [
        _kept(session, image, version)
        for version in session.scalars(query.order_by(VersionRow.created_at.desc(), VersionRow.version_id))
    ]


def _kept(session: Session, image: ImageRow, version: VersionRow) -> KeptVersion:
    renditions = tuple(renditions_of(session, version))
    if version.version_id == image.current_version_id:
        return KeptVersion(version, renditions, is_current=True, is_whole=True, kept_until=None)
    keys = [version.original_key, *(rendition.key for rendition in renditions)]
    gone, until = session.execute(
        select(func.count(OutboxRow.done_at), func.min(OutboxRow.due_at)).where(
            OutboxRow.key.in_(keys), OutboxRow.etag.is_(None)
        )
    ).one()
    return KeptVersion(version, renditions, is_current=False, is_whole=not gone, kept_until=until)


@dataclass(frozen=True, slots=True)
class Restoration:
    """A former version that is to become current again. `copies` has a new key for each of its files, by the old."""

    version: VersionRow
    renditions: tuple[RenditionRow, ...]
    copies: Mapping[ObjectKey, ObjectKey]


def plan_restoration(session: Session, gallery_id: str, image_id: UUID, version_id: UUID) -> Restoration | None:
    """Draw new keys for a former version's files; `None` where the image shows its content already.

    Raises `NotFoundError` for a version that is not known, `ConflictError` for one that is not whole.
    """
    kept = list_versions(session, gallery_id, image_id)
    versions = {one.version.version_id: one for one in kept}
    if (found := versions.get(version_id)) is None:
        raise NotFoundError(f"image {image_id} has no version {version_id}")
    current = next((one.version for one in kept if one.is_current), None)
    if current is not None and _is_same(current, found.version):
        return None
    if not found.is_whole:
        raise files_are_gone(version_id)
    write_number = session.scalar(select(WRITE_NUMBERS.next_value())) or 0
    keys = [found.version.original_key, *(rendition.key for rendition in found.renditions)]
    return Restoration(found.version, found.renditions, {key: rewritten(key, write_number) for key in keys})


def files_are_gone(version_id: UUID) -> ConflictError:
    """Why a version cannot be restored any more."""
    return ConflictError(
        f"the files of version {version_id} are gone: replaced versions are kept for GALLERY_KEEP_REPLACED_DAYS"
    )


def commit_restoration(
    session: Session,
    gallery_id: str,
    restoration: Restoration,
    *,
    expect: str | None,
    library_bucket: str,
    keep_replaced: timedelta,
) -> bool:
    """Make a version of the copied files the current one, later in the order than all uploads accepted so far.

    The one that it takes the place of is kept for `keep_replaced` in turn. False, and nothing changes, where the image
    shows this content by now. `expect`: the SHA-256 of the version that may be replaced, `None` for any.

    Raises `NotFoundError` where the image has been deleted meanwhile, `ChangedMeanwhile`.
    """
    former, copies = restoration.version, restoration.copies
    share_order(session, gallery_id)
    image = lock_image(session, gallery_id, former.image_id)
    current = current_version(session, image)
    if current is None:
        raise NotFoundError(f"gallery {gallery_id} has no image {former.image_id}")
    if _is_same(current, former):
        return False
    if expect not in (None, current.sha256):
        raise ChangedMeanwhile(f"image {former.image_id} shows another version by now: look at it, then decide again")
    source = SavedSource(former.upload_id, former.entry_number, former.etag, former.size, copies[former.original_key])
    kept = [_moved(rendition, copies[rendition.key]) for rendition in restoration.renditions]
    gone = make_current(session, image, current, source, _facts(former), kept=kept)
    image.last_seq = session.scalar(select(ACCEPTED_SEQ.next_value())) or 0
    superfluous = [(library_bucket, key, None) for key in gone]
    put_in_outbox(session, current.upload_id, current.entry_number, superfluous, keep_replaced)
    return True


def _is_same(version: VersionRow, other: VersionRow) -> bool:
    return (version.sha256, version.recipe_id) == (other.sha256, other.recipe_id)


def _moved(rendition: RenditionRow, key: ObjectKey) -> RenditionRow:
    names = ("style", "width", "height", "bytes", "content_type", "recipe_id")
    return RenditionRow(key=key, **{name: getattr(rendition, name) for name in names})


def _facts(version: VersionRow) -> ProcessedImage:
    """A version's facts as process had delivered them, without its renditions."""
    return ProcessedImage(
        sha256=version.sha256,
        recipe_id=version.recipe_id,
        width=version.width,
        height=version.height,
        source_format=version.source_format,
        extension="",
        metadata=version.meta,
        renditions=(),
    )
