"""Where cached process results are kept: the library bucket, which every worker reaches."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from prefect.filesystems import WritableFileSystem
from pydantic import ConfigDict, Field

from gallery.settings import load_settings
from gallery.storage.keys import RESULTS_PREFIX, result_key
from gallery.storage.s3 import Storage

BLOCK_NAME = "gallery-results"


class LibraryResultStorage(WritableFileSystem):
    """Prefect result storage in the library bucket, below `prefix`.

    The block holds no address and no secret: a worker's own GALLERY_ and AWS settings say where the bucket is.
    No gallery_id begins with an underscore, so that the prefix meets no gallery's objects.
    """

    _block_type_name = "Gallery result storage"
    _block_type_slug = "gallery-result-storage"
    _description = "Keeps cached results of the process stage in the gallery's library bucket."
    model_config: ClassVar[ConfigDict] = ConfigDict(ignored_types=(cached_property,))

    prefix: str = Field(default=RESULTS_PREFIX, description="Key prefix of the results in the library bucket.")

    @cached_property
    def _storage(self) -> Storage:
        return Storage(load_settings())

    # Prefect calls these from its own event loop threads, with `_sync` where it wants no coroutine; a blocking
    # read of a few hundred bytes is what its own LocalFileSystem does there, too.
    def read_path(self, path: str, _sync: bool | None = None) -> bytes:  # type: ignore[override]
        """The stored result's bytes. Raises `StagedFileError` where there is none."""
        return self._storage.read_bytes(result_key(path, self.prefix))

    def write_path(self, path: str, content: bytes, _sync: bool | None = None) -> None:  # type: ignore[override]
        """Store a result's bytes."""
        self._storage.write_bytes(result_key(path, self.prefix), content)

    async def aread_path(self, path: str) -> bytes:
        """As `read_path`."""
        return self.read_path(path)

    async def awrite_path(self, path: str, content: bytes) -> None:
        """As `write_path`."""
        self.write_path(path, content)
