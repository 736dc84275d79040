"""Makes a former version of an image current again: copies of its files first, then one transaction."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from gallery.api.schemas import ANY_TYPE
from gallery.api.services import Services
from gallery.catalogue.restoring import Restoration, commit_restoration, files_are_gone, plan_restoration
from gallery.errors import ConflictError, NotFoundError, StagedFileError
from gallery.imaging.formats import content_type_of
from gallery.models import Deletion, ObjectKey
from gallery.storage.keys import extension_of


def restore_version(
    services: Services, gallery_id: str, image_id: UUID, version_id: UUID, *, expect: str | None
) -> None:
    """Restore a version. What a killed process has copied and not committed, the sweep removes.

    Raises `NotFoundError`, `ConflictError` where its files are gone, `ChangedMeanwhile` where the image shows
    another version than `expect` (by SHA-256), `TransientError`.
    """
    with services.transaction() as session:
        restoration = plan_restoration(session, gallery_id, image_id, version_id)
    if restoration is None:
        return
    try:
        _copy(services, restoration)
        with services.transaction() as session:
            is_done = commit_restoration(
                session,
                gallery_id,
                restoration,
                expect=expect,
                library_bucket=services.storage.library_bucket,
                keep_replaced=timedelta(days=services.settings.keep_replaced_days),
            )
    except (ConflictError, NotFoundError):
        _give_up(services, restoration)
        raise
    if not is_done:
        # Another one has restored it meanwhile.
        _give_up(services, restoration)


def _give_up(services: Services, restoration: Restoration) -> None:
    library = services.storage.library_bucket
    services.storage.delete(Deletion(None, library, key) for key in restoration.copies.values())


def _copy(services: Services, restoration: Restoration) -> None:
    storage = services.storage
    types: dict[ObjectKey, str] = {one.key: one.content_type for one in restoration.renditions}
    for key, copy in restoration.copies.items():
        found = storage.head(storage.library_bucket, key)
        if found is None:
            raise files_are_gone(restoration.version.version_id)
        content_type = types.get(key) or content_type_of(extension_of(key)) or ANY_TYPE
        try:
            storage.copy_original(key, found.etag, copy, content_type, bucket=storage.library_bucket)
        except StagedFileError:
            raise files_are_gone(restoration.version.version_id) from None
