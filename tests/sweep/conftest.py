"""Two buckets, a catalogue and a scratch folder of the test's own, to sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from gallery.catalogue import attempts
from gallery.catalogue.connect import transaction
from gallery.catalogue.maintenance import UpkeepAttempt, begin_maintenance
from gallery.catalogue.migrate import migrate
from gallery.catalogue.tables import OutboxRow
from gallery.models import Attempt, ObjectKey, UploadState
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from gallery.sweep.findings import Category, Findings
from gallery.sweep.run import sweep
from tests.catalogue.conftest import Catalogue, NewDatabase, databases, prefix_of, url_of  # noqa: F401 - a fixture
from tests.conftest import Servers

# As it stands in keys: the first eight digits of a fingerprint.
RECIPE, OTHER_RECIPE = "0123abcd", "4567cdef"


@dataclass(frozen=True)
class Yard:
    """What is swept. Nothing here is ever old: sweeps are told that it is so many days later."""

    settings: Settings
    catalogue: Catalogue
    storage: Storage
    file: Path

    def sweep(
        self,
        *,
        days: float = 4,
        dry_run: bool = False,
        grace_days: int | None = None,
        upkeep: UpkeepAttempt | None = None,
    ) -> Findings:
        later = datetime.now(UTC) + timedelta(days=days)
        return sweep(self.settings, dry_run=dry_run, grace_days=grace_days, now=later, upkeep=upkeep)

    def begin(self, flow_run_id: UUID) -> UpkeepAttempt:
        """The next attempt of a run of the sweep."""
        with transaction(self.catalogue.engine) as session:
            return begin_maintenance(
                session, flow_run_id=flow_run_id, flow_name="sweep-storage", gallery_id=None, requested_at=None
            )

    def end(self, attempt: Attempt, state: UploadState = "completed") -> None:
        with transaction(self.catalogue.engine) as session:
            attempts.finish_attempt(session, attempt, state, "")

    def ended(self, gallery_id: str, *names: str, state: UploadState = "completed") -> Attempt:
        """An upload that ended without saving anything."""
        attempt = self.catalogue.begun(gallery_id, *names)
        self.end(attempt, state)
        return attempt

    def save(self, attempt: Attempt, content: str, *, recipe: str = RECIPE, keep_days: int = 0) -> set[str]:
        """Save an upload's one image, with its objects in the library; returns their keys."""
        self.catalogue.save(attempt, content, recipe=recipe, keep_replaced=timedelta(days=keep_days))
        keys = self.catalogue.keys(attempt, recipe=recipe)
        self.put(*keys)
        return keys

    def put(self, *keys: str) -> None:
        """Small objects in the library."""
        for key in keys:
            self.storage.write_bytes(ObjectKey(key), b"library")

    def stage(self, *keys: str, content: bytes = b"staged") -> None:
        """Small objects in the uploads bucket."""
        self.file.write_bytes(content)
        for key in keys:
            self.storage.put(ObjectKey(key), self.file, "text/plain", bucket=self.storage.uploads_bucket)

    def library(self) -> set[str]:
        return self._keys(self.storage.library_bucket)

    def staged(self) -> set[str]:
        return self._keys(self.storage.uploads_bucket)

    def _keys(self, bucket: str) -> set[str]:
        return {item.key for page in self.storage.list_pages(bucket) for item in page}

    def put_in_outbox(
        self,
        attempt: Attempt,
        *keys: str,
        due_in: timedelta = timedelta(0),
        etag: str | None = None,
        bucket: str | None = None,
    ) -> None:
        with transaction(self.catalogue.engine) as session:
            values = [
                {
                    "bucket": bucket or self.storage.library_bucket,
                    "key": key,
                    "etag": etag,
                    "upload_id": attempt.upload_id,
                    "entry_number": 1,
                    "due_at": datetime.now(UTC) + due_in,
                }
                for key in keys
            ]
            session.execute(insert(OutboxRow), values)


def gone(findings: Findings) -> dict[Category, int]:
    """How many of each category, of those that there are."""
    return {category: found.count for category, found in findings.gone.items() if found.count}


def left(attempt: Attempt, name: str = "large-0123abcd.jpg", number: int = 1) -> str:
    """A key that a run of this upload may have left in the library."""
    return f"{prefix_of(attempt)}{number}/{name}"


@pytest.fixture
def yard(
    stores: Servers,
    settings: Settings,
    databases: NewDatabase,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Yard]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, stores.environment[name])
    engine = databases()
    migrate(engine)
    own = settings.model_copy(
        update={
            "database_url": SecretStr(url_of(engine)),
            "uploads_bucket": f"uploads-{uuid4().hex[:8]}",
            "library_bucket": f"library-{uuid4().hex[:8]}",
            "scratch_dir": tmp_path / "scratch",
        }
    )
    storage = Storage(own)
    storage.create_buckets()
    yield Yard(own, Catalogue(engine, own.uploads_bucket, own.library_bucket), storage, tmp_path / "staged")
    storage.close()
