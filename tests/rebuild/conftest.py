"""A library with a catalogue and buckets of its own, whose galleries are ingested and rebuilt without Prefect."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import Engine, select

from gallery.catalogue import deletion, outbox, uploads
from gallery.catalogue.connect import transaction
from gallery.catalogue.maintenance import UpkeepAttempt, begin_maintenance
from gallery.catalogue.migrate import migrate
from gallery.catalogue.outdated import OutdatedVersion
from gallery.catalogue.tables import ImageRow, OutboxRow, RenditionRow, VersionRow
from gallery.ingest import stages
from gallery.ingest.workspace import open_workspace
from gallery.models import ObjectKey, Outcome
from gallery.rebuild import steps
from gallery.rebuild.context import Rebuild, open_rebuild
from gallery.rebuild.steps import RebuildReceipt
from gallery.settings import Settings
from gallery.storage.keys import StagedKey
from gallery.storage.s3 import Storage
from tests.catalogue.conftest import Catalogue, NewDatabase, databases, url_of  # noqa: F401 - a fixture
from tests.conftest import Servers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Library:
    """Ingests and rebuilds in one thread; `with_styles` is the same library under another recipe."""

    settings: Settings
    engine: Engine
    storage: Storage
    s3: S3Client
    folder: Path

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.engine, self.storage.uploads_bucket, self.storage.library_bucket)

    def with_settings(self, **changed: object) -> Library:
        return replace(self, settings=self.settings.model_copy(update=changed))

    def with_styles(self, **boxes: int) -> Library:
        """A recipe of these styles: each fits into a square of so many pixels."""
        file = self.folder / f"{uuid4().hex}.toml"
        file.write_text("".join(f"[styles.{name}]\nwidth = {box}\nheight = {box}\n" for name, box in boxes.items()))
        return self.with_settings(styles_file=file)

    def send(self, gallery_id: str, files: Mapping[str, bytes], upload_id: str | None = None) -> dict[str, Outcome]:
        """Ingest an upload, or force it once more; returns the outcomes by file name."""
        force = upload_id is not None
        if upload_id is None:
            upload_id = self._accept(gallery_id, files)
        with open_workspace(
            self.settings, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=uuid4(), force=force
        ) as workspace:
            for entry in stages.claim(workspace, stages.plan(workspace).todo):
                for image in stages.settle_unchanged(workspace, [stages.download(workspace, entry)]):
                    receipt = stages.save(workspace, entry, stages.process(workspace, image))
                    stages.cleanup(workspace, receipt)
            stages.report(workspace, found_work=True)
            attempt = workspace.attempt
        entries = [self.catalogue.entry(attempt, number) for number in range(1, len(files) + 1)]
        return {entry.file_name: entry.outcome for entry in entries}  # type: ignore[misc]

    def _accept(self, gallery_id: str, files: Mapping[str, bytes]) -> str:
        upload_id = f"u-{uuid4().hex[:12]}"
        declared = []
        for name, content in files.items():
            key = StagedKey(gallery_id, upload_id, name).key
            self.s3.put_object(Bucket=self.storage.uploads_bucket, Key=key, Body=content)
            declared.append(uploads.DeclaredEntry(name, key))
        with transaction(self.engine) as session:
            uploads.accept_staged(
                session,
                upload_id=upload_id,
                gallery_id=gallery_id,
                files=declared,
                trigger="webhook",
                requested_by="tests",
                metadata={},
            )
        return upload_id

    def open(self, gallery_id: str | None, style: str | None = None) -> AbstractContextManager[Rebuild]:
        return open_rebuild(self.settings, self.begin(uuid4()), gallery_id=gallery_id, style=style)

    def begin(self, flow_run_id: UUID) -> UpkeepAttempt:
        """The next attempt of a run of the rebuild."""
        with transaction(self.engine) as session:
            return begin_maintenance(
                session, flow_run_id=flow_run_id, flow_name="rebuild-renditions", gallery_id=None, requested_at=None
            )

    def rebuild(self, gallery_id: str | None, style: str | None = None) -> list[OutdatedVersion]:
        """Rebuild all there is, as the flow does; returns what was rebuilt, in order."""
        done = []
        with self.open(gallery_id, style) as rebuild:
            window = steps.next_window(rebuild, None)
            while window:
                receipts = [steps.rebuild_image(rebuild, outdated) for outdated in window]
                assert {receipt.outcome for receipt in receipts} == {"rebuilt"}
                steps.clean_up(rebuild, receipts)
                done += window
                window = steps.next_window(rebuild, window[-1])
        return done

    def rebuild_one(
        self, gallery_id: str, before: Callable[[Rebuild, OutdatedVersion], None] = lambda _rebuild, _outdated: None
    ) -> RebuildReceipt:
        """Rebuild a gallery's only outdated image, after something else has happened."""
        with self.open(gallery_id) as rebuild:
            (outdated,) = steps.next_window(rebuild, None)
            before(rebuild, outdated)
            receipt = steps.rebuild_image(rebuild, outdated)
            assert list(rebuild.scratch.iterdir()) == []
            steps.clean_up(rebuild, [receipt])
        return receipt

    def count(self, gallery_id: str, style: str | None = None) -> tuple[int, int]:
        """How many are due, and how many are busy."""
        with self.open(gallery_id, style) as rebuild:
            found = steps.count(rebuild)
        return found.due, found.busy

    def renditions(self, gallery_id: str, name: str = "a.jpg") -> dict[str, str]:
        """The current version's keys by style."""
        version = self.catalogue.current(gallery_id, name)
        with transaction(self.engine) as session:
            rows = session.scalars(select(RenditionRow).where(RenditionRow.version_id == version.version_id))
            return {row.style: row.key for row in rows}

    def sizes(self, gallery_id: str, name: str = "a.jpg") -> dict[str, int]:
        """The longer side of each current rendition, in pixels, by its file's own word; rows say the same."""
        version = self.catalogue.current(gallery_id, name)
        sizes = {}
        with transaction(self.engine) as session:
            for row in session.scalars(select(RenditionRow).where(RenditionRow.version_id == version.version_id)):
                assert Image.open(io.BytesIO(self.read(row.key))).size == (row.width, row.height)
                sizes[row.style] = max(row.width, row.height)
        return sizes

    def needed(self, gallery_id: str) -> set[str]:
        """All keys that current versions of a gallery refer to."""
        with transaction(self.engine) as session:
            versions = session.scalars(
                select(VersionRow)
                .join(ImageRow, ImageRow.current_version_id == VersionRow.version_id)
                .where(ImageRow.gallery_id == gallery_id)
            ).all()
            ids = [version.version_id for version in versions]
            keys = session.scalars(select(RenditionRow.key).where(RenditionRow.version_id.in_(ids)))
            return {*keys, *(version.original_key for version in versions)}

    def stored(self, gallery_id: str) -> set[str]:
        """All keys of a gallery in the library bucket."""
        pages = self.storage.list_pages(self.storage.library_bucket, f"{gallery_id}/")
        return {item.key for page in pages for item in page}

    def due(self, gallery_id: str) -> list[OutboxRow]:
        """Outbox rows of a gallery that are not done."""
        with transaction(self.engine) as session:
            query = select(OutboxRow).where(OutboxRow.key.startswith(f"{gallery_id}/"), OutboxRow.done_at.is_(None))
            return list(session.scalars(query))

    def read(self, key: ObjectKey) -> bytes:
        return self.storage.read_bytes(key)

    def delete_image(self, gallery_id: str, name: str = "a.jpg") -> None:
        """What a caller of the API does, and then the API."""
        with transaction(self.engine) as session:
            deletion.delete_image(
                session,
                gallery_id,
                self.catalogue.image(gallery_id, name).image_id,
                uploads_bucket=self.storage.uploads_bucket,
                library_bucket=self.storage.library_bucket,
                requested_by="tests",
            )
        with transaction(self.engine) as session:
            claimed = outbox.claim_requested(session)
        self.storage.delete(claimed)


@pytest.fixture(scope="session")
def whole_library(
    stores: Servers,
    settings: Settings,
    s3: S3Client,
    databases: NewDatabase,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    engine = databases()
    migrate(engine)
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, stores.environment[name])
        own = settings.model_copy(
            update={
                "database_url": SecretStr(url_of(engine)),
                "uploads_bucket": f"uploads-{uuid4().hex[:8]}",
                "library_bucket": f"library-{uuid4().hex[:8]}",
                "scratch_dir": folder / "scratch",
                "processors": 1,
                "window": 2,
            }
        )
        storage = Storage(own)
        storage.create_buckets()
        yield Library(own, engine, storage, s3, folder)
        storage.close()


@pytest.fixture
def library(whole_library: Library) -> Library:
    """Under a recipe of two styles."""
    return whole_library.with_styles(large=200, thumb=60)
