"""A store with both buckets, reached past the session's proxy or by one of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from gallery.models import ObjectKey
from gallery.settings import Settings
from gallery.storage.s3 import Storage, StoredObject
from tests.conftest import Servers, storage_of
from tests.faulty_s3 import FaultyS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT = b"what the camera wrote" * 1000


@dataclass
class Store:
    """A store with both buckets, and a prefix of the test's own."""

    storage: Storage
    client: S3Client
    prefix: str

    def key(self, name: str) -> ObjectKey:
        return ObjectKey(f"{self.prefix}/{name}")

    def stage(self, name: str, content: bytes = CONTENT) -> StoredObject:
        key = self.key(name)
        self.client.put_object(Bucket=self.storage.uploads_bucket, Key=key, Body=content)
        found = self.storage.head(self.storage.uploads_bucket, key)
        assert found is not None
        return found

    def read(self, key: ObjectKey) -> bytes:
        return self.storage.read_bytes(key)


@pytest.fixture
def embedded(storage: Storage, s3: S3Client, gallery_id: str) -> Store:
    return Store(storage, s3, gallery_id)


@pytest.fixture
def own_proxy(stores: Servers, settings: Settings, embedded: Store) -> Iterator[FaultyS3]:
    """A proxy that passes on the requests of `embedded` alone: the servers of this session ask theirs as well."""
    proxy = FaultyS3(stores.s3.upstream.geturl())
    embedded.storage = storage_of(stores, settings.model_copy(update={"s3_endpoint_url": proxy.url}))
    yield proxy
    embedded.storage.close()
    proxy.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 repeats a call without its pauses of up to seconds."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
