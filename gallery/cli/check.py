"""Tries every setting and permission that the project needs, and says which one is missing.

What it writes into the buckets lies below `CHECK_PREFIX`, where no gallery can be, and is deleted again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from gallery import runs
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import check_revision
from gallery.errors import ConfigurationError, GalleryError, NotFoundError, PrefectUnavailable
from gallery.imaging.styles_file import load_recipe
from gallery.ingest.workspace import check_scratch_dir
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.keys import CHECK_PREFIX, check_key
from gallery.storage.s3 import Storage


@dataclass(frozen=True, slots=True)
class Checked:
    """What was tried; `problem` says what is wrong and what would mend it, `None` where all is well."""

    name: str
    problem: str | None


def check(settings: Settings) -> Iterator[Checked]:
    """Try one thing after the other; a problem with one holds up no other."""
    yield _try("styles and watermark", lambda: load_recipe(settings))
    yield _try("scratch folder", lambda: check_scratch_dir(settings.scratch_dir))
    engine = connect(settings, application="gallery-check", connections=1)
    try:
        yield _try("database: catalogue and its version", lambda: _check_catalogue(engine))
    finally:
        engine.dispose()
    with closing(Storage(settings)) as storage, tempfile.TemporaryDirectory() as folder:
        trial = _Trial(storage, Path(folder))
        yield _try(f"uploads bucket {storage.uploads_bucket}: list, write, read, delete", trial.uploads)
        yield _try(f"library bucket {storage.library_bucket}: copy, write, read, delete", trial.library)
    yield _try("Prefect: server", runs.check_reachable)
    yield _try("Prefect: pool, limit, deployments", runs.check_set_up)
    yield _try("Prefect: a worker", _check_workers)


def _try(name: str, step: Callable[[], object]) -> Checked:
    try:
        step()
    except GalleryError as error:
        return Checked(name, str(error))
    return Checked(name, None)


def _check_catalogue(engine: Engine) -> None:
    with transaction(engine) as session:
        check_revision(session.connection())


def _check_workers() -> None:
    try:
        ready = runs.workers_ready()
    except NotFoundError:
        ready = False
    if not ready:
        raise PrefectUnavailable(
            f"no worker of pool {runs.POOL} gives a sign of life: prefect worker start --pool {runs.POOL}"
        )


class _Trial:
    """A file taken through the buckets in the way that an image goes."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage, self._folder = storage, folder
        self._key = check_key(uuid4().hex)
        self._file = folder / "trial"
        self._file.write_bytes(b"a trial of permissions")

    def uploads(self) -> None:
        bucket = self._storage.uploads_bucket
        list(self._storage.list_staged(CHECK_PREFIX))
        etag = self._storage.put(self._key, self._file, "text/plain", bucket=bucket)
        self._storage.download(self._key, etag, self._folder / "back")
        self._delete(bucket, self._key)

    def library(self) -> None:
        bucket = self._storage.library_bucket
        etag = self._storage.put(self._key, self._file, "text/plain", bucket=self._storage.uploads_bucket)
        copy = check_key(f"{uuid4().hex}.copy")
        self._storage.copy_original(self._key, etag, copy, "text/plain")
        self._storage.write_bytes(self._key, b"a result")
        self._storage.read_bytes(self._key)
        self._delete(bucket, self._key, copy)
        self._delete(self._storage.uploads_bucket, self._key)

    def _delete(self, bucket: str, *keys: ObjectKey) -> None:
        self._storage.delete([Deletion(None, bucket, key) for key in keys])
        left = [key for key in keys if self._storage.head(bucket, key) is not None]
        if left:
            raise ConfigurationError(f"{bucket}: what was deleted is still there: {left[0]}")
