"""Puts a gallery where a variant finds it, reads from the catalogue what became of it, and takes it away again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import func, select

from bench.servers import Servers
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import AttemptRow, EntryRow
from gallery.catalogue.uploads import DeclaredEntry, accept_staged
from gallery.client.api import GalleryClient
from gallery.client.folder import LocalFile
from gallery.client.types import DeclaredFile
from gallery.client.upload import SENDERS
from gallery.errors import GalleryError
from gallery.models import Deletion, ObjectKey
from gallery.storage.keys import StagedKey, gallery_prefix


@dataclass(frozen=True, slots=True)
class StagedGallery:
    """A gallery in the uploads bucket, known to the catalogue. `began`: when its sending began (monotonic seconds)."""

    gallery_id: str
    upload_id: str
    began: float


def fresh_gallery_id(variant: str) -> str:
    """A gallery that no run before has seen, so that every image is a first version."""
    return f"bench-{variant.replace('_', '-')}-{uuid4().hex[:8]}"


def send(client: GalleryClient, files: Sequence[LocalFile], gallery_id: str) -> StagedGallery:
    """Stage through the API, as a browser does; what is left to say is `complete`."""
    began = time.monotonic()
    declared = [DeclaredFile(file.file_name, file.size, file.content_type) for file in files]
    presigned = client.presign(gallery_id, declared, idempotency_key=str(uuid4()))
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(client.send, presigned.files, [file.path for file in files]))
    return StagedGallery(gallery_id, presigned.upload_id, began)


def stage(servers: Servers, files: Sequence[LocalFile], gallery_id: str) -> StagedGallery:
    """Stage and accept an upload that no flow run is started for."""
    began, upload_id = time.monotonic(), uuid4().hex
    staged = [
        DeclaredEntry(
            file.file_name, StagedKey(gallery_id, upload_id, file.file_name).key, file.size, file.content_type
        )
        for file in files
    ]

    def put(file: LocalFile, key: ObjectKey) -> None:
        servers.storage.put(key, file.path, file.content_type, bucket=servers.storage.uploads_bucket)

    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(put, files, [file.key for file in staged]))
    with transaction(servers.engine) as session:
        row = accept_staged(
            session,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=staged,
            trigger="cli",
            requested_by="bench",
            metadata={},
        )
        # Else the API would start a flow run for it within seconds.
        row.start_after = func.now() + timedelta(days=1)
    return StagedGallery(gallery_id, upload_id, began)


@dataclass(frozen=True, slots=True)
class Timeline:
    """When an upload's attempt began, and when the transactions of its first and last save did."""

    attempt_began: datetime
    first_save: datetime
    last_save: datetime


def timeline(servers: Servers, upload_id: str) -> Timeline:
    """What the catalogue says of a run. Raises `GalleryError` where an image is not `saved`: nothing was measured."""
    with transaction(servers.engine) as session:
        began = session.scalars(select(AttemptRow.started_at).where(AttemptRow.upload_id == upload_id)).one()
        entries = session.execute(
            select(EntryRow.file_name, EntryRow.outcome, EntryRow.finished_at).where(EntryRow.upload_id == upload_id)
        ).all()
    if lost := [f"{name} ({outcome or 'pending'})" for name, outcome, _ in entries if outcome != "saved"]:
        raise GalleryError(f"{len(lost)} of {len(entries)} images are not saved: {', '.join(lost[:5])}")
    times = [finished_at for _, _, finished_at in entries if finished_at is not None]
    return Timeline(began, min(times), max(times))


def take_away(servers: Servers, gallery_id: str) -> None:
    """Delete a gallery's objects, so that the disk does not fill up; its rows stay."""
    storage = servers.storage
    for bucket in (storage.uploads_bucket, storage.library_bucket):
        for page in storage.list_pages(bucket, gallery_prefix(gallery_id)):
            storage.delete(Deletion(None, bucket, found.key) for found in page).raise_left()
