"""One contract for every S3: kept by moto in this process and by the embedded server over its connections."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto import mock_aws

from gallery.errors import ConfigurationError, DeletionRefused, MissingBucket, StagedFileError, TransientError
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.s3 import CALLS, Storage, StoredObject
from tests.conftest import PROJECT, Servers
from tests.faulty_s3 import FaultyS3, Request
from tests.storage.conftest import CONTENT, Store

BIG = 128 * 1024 * 1024
CREATED = b"<CreateBucketResult/>"
ON_AWS = {
    "GALLERY_DATABASE_URL": "postgresql://nobody@nowhere/none",
    "GALLERY_UPLOADS_BUCKET": "uploads",
    "GALLERY_LIBRARY_BUCKET": "library",
}


@pytest.fixture(params=["moto", "embedded"])
def store(request: pytest.FixtureRequest, gallery_id: str) -> Iterator[Store]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        storage = Storage(Settings.from_environment(ON_AWS))
        storage.create_buckets()
        yield Store(storage, boto3.client("s3"), gallery_id)
        storage.close()


class TestEveryStore:
    def test_buckets_are_created_once_and_then_reachable(self, store: Store) -> None:
        store.storage.create_buckets()
        store.storage.reachable()

    def test_a_listing_has_keys_sizes_and_etags_below_its_prefix(self, store: Store) -> None:
        staged = [store.stage(name, name.encode()) for name in ("a.jpg", "card 1/Käse+ü&%41.jpg", "empty.jpg")]
        other = replace(store, prefix=f"{store.prefix}2").stage("a.jpg")
        assert list(store.storage.list_staged(f"{store.prefix}/")) == sorted(staged, key=lambda item: item.key)
        assert other.key.startswith(store.prefix)

    def test_a_download_is_the_very_bytes_and_their_sha256(self, store: Store, tmp_path: Path) -> None:
        staged = store.stage("a.jpg")
        path = tmp_path / "1.source"
        assert store.storage.download(staged.key, staged.etag, path) == hashlib.sha256(CONTENT).hexdigest()
        assert path.read_bytes() == CONTENT

    def test_an_empty_object_is_downloaded_too(self, store: Store, tmp_path: Path) -> None:
        staged = store.stage("a.jpg", b"")
        assert store.storage.download(staged.key, staged.etag, tmp_path / "1") == hashlib.sha256(b"").hexdigest()

    def test_a_changed_object_is_not_downloaded(self, store: Store, tmp_path: Path) -> None:
        pinned = store.stage("a.jpg")
        store.stage("a.jpg", b"other")
        with pytest.raises(StagedFileError) as error:
            store.storage.download(pinned.key, pinned.etag, tmp_path / "1")
        assert error.value.reason == "changed_during_ingest"
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_object_is_told_from_a_store_that_is_away(self, store: Store, tmp_path: Path) -> None:
        key = store.key("none.jpg")
        with pytest.raises(StagedFileError) as error:
            store.storage.download(key, "etag", tmp_path / "1")
        assert error.value.reason == "missing_object"
        assert key in str(error.value)
        assert list(tmp_path.iterdir()) == []
        assert store.storage.head(store.storage.uploads_bucket, key) is None
        with pytest.raises(StagedFileError):
            store.storage.read_bytes(key)

    def test_an_upload_is_whole_has_its_type_and_overwrites(self, store: Store, tmp_path: Path) -> None:
        key, path = store.key("1/large.jpg"), tmp_path / "large"
        for content in (b"first", CONTENT):
            path.write_bytes(content)
            etag = store.storage.put(key, path, "image/jpeg")
            assert store.read(key) == content
            assert store.storage.head(store.storage.library_bucket, key) == StoredObject(key, etag, len(content))
        answer = store.client.head_object(Bucket=store.storage.library_bucket, Key=key)
        assert answer["ContentType"] == "image/jpeg"

    def test_an_original_is_copied_inside_the_store_with_its_own_type(self, store: Store) -> None:
        staged, key = store.stage("Käse +1.jpg"), store.key("1/original.jpg")
        store.storage.copy_original(staged.key, staged.etag, key, "image/jpeg")
        assert store.read(key) == CONTENT
        answer = store.client.head_object(Bucket=store.storage.library_bucket, Key=key)
        assert answer["ContentType"] == "image/jpeg"
        assert store.storage.head(store.storage.uploads_bucket, staged.key) == staged

    # moto copies whatever the condition says, as Ceph's radosgw 16 does; the embedded server keeps it, as S3 does.
    def test_a_changed_or_missing_original_is_not_copied(self, store: Store) -> None:
        pinned, key = store.stage("a.jpg"), store.key("1/original.jpg")
        store.stage("a.jpg", b"other")
        with pytest.raises(StagedFileError) as error:
            store.storage.copy_original(pinned.key, pinned.etag, key, "image/jpeg")
        assert error.value.reason == "changed_during_ingest"
        with pytest.raises(StagedFileError) as error:
            store.storage.copy_original(ObjectKey(f"{pinned.key}2"), pinned.etag, key, "image/jpeg")
        assert error.value.reason == "missing_object"
        assert store.storage.head(store.storage.library_bucket, key) is None

    def test_an_original_that_was_sent_in_parts_is_copied(self, store: Store) -> None:
        """The copy has another ETag than the original."""
        key, copy = store.key("a.jpg"), store.key("1/original.jpg")
        at: Any = {"Bucket": store.storage.uploads_bucket, "Key": key}
        upload_id = store.client.create_multipart_upload(**at)["UploadId"]
        part = store.client.upload_part(**at, UploadId=upload_id, PartNumber=1, Body=CONTENT)
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        store.client.complete_multipart_upload(**at, UploadId=upload_id, MultipartUpload=parts)
        staged = store.storage.head(store.storage.uploads_bucket, key)
        assert staged is not None
        assert staged.etag.endswith("-1")
        store.storage.copy_original(key, staged.etag, copy, "image/jpeg")
        assert store.read(copy) == CONTENT

    def test_small_objects_are_written_and_read(self, store: Store) -> None:
        store.storage.write_bytes(store.key("result"), b"{}")
        assert store.storage.read_bytes(store.key("result")) == b"{}"

    def test_deleting_twice_is_as_good_as_once(self, store: Store) -> None:
        staged, kept = store.stage("a.jpg"), store.stage("b.jpg")
        store.storage.write_bytes(staged.key, b"a library object of the same key")
        deletions = [Deletion(1, store.storage.uploads_bucket, staged.key)]
        for _ in range(2):
            store.storage.delete(deletions)
            assert store.storage.head(store.storage.uploads_bucket, staged.key) is None
        assert store.storage.head(store.storage.uploads_bucket, kept.key) == kept
        assert store.read(staged.key) == b"a library object of the same key"

    def test_a_deletion_with_an_etag_leaves_what_was_changed_since(self, store: Store) -> None:
        pinned = store.stage("a.jpg")
        changed = store.stage("a.jpg", b"sent again")
        store.storage.delete([Deletion(1, store.storage.uploads_bucket, pinned.key, pinned.etag)])
        assert store.storage.head(store.storage.uploads_bucket, pinned.key) == changed
        store.storage.delete([Deletion(1, store.storage.uploads_bucket, pinned.key, changed.etag)])
        assert store.storage.head(store.storage.uploads_bucket, pinned.key) is None
        store.storage.delete([Deletion(1, store.storage.uploads_bucket, pinned.key, changed.etag)])

    @pytest.mark.parametrize("action", ["head", "list", "download", "put", "copy", "delete", "delete pinned"])
    def test_a_missing_bucket_is_never_taken_for_missing_objects(
        self, store: Store, tmp_path: Path, action: str
    ) -> None:
        storage, key, path = store.storage, store.key("a.jpg"), tmp_path / "a"
        path.write_bytes(CONTENT)
        # It was there, and seen, a moment ago.
        bucket = f"{store.prefix}-bucket"
        # moto is asked for by a region, which servers of one's own need not know.
        region = store.client.meta.region_name
        options: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region == "eu-central-1" else {}
        store.client.create_bucket(Bucket=bucket, **options)
        assert storage.head(bucket, key) is None
        store.client.delete_bucket(Bucket=bucket)
        calls: dict[str, Callable[[], object]] = {
            "head": lambda: storage.head(bucket, key),
            "list": lambda: list(storage.list_pages(bucket)),
            "download": lambda: storage.download(key, "etag", tmp_path / "1", bucket=bucket),
            "put": lambda: storage.put(key, path, "image/jpeg", bucket=bucket),
            "copy": lambda: storage.copy_original(key, "etag", key, "image/jpeg", bucket=bucket),
            "delete": lambda: storage.delete([Deletion(1, bucket, key)]).raise_left(),
            "delete pinned": lambda: storage.delete([Deletion(1, bucket, key, "etag")]).raise_left(),
        }
        with pytest.raises(MissingBucket, match=f"bucket {bucket} is not there: make it with `gallery setup`"):
            calls[action]()
        assert not (tmp_path / "1").exists()

    @pytest.mark.parametrize("store", ["moto"], indirect=True)
    def test_more_objects_than_one_call_takes_are_listed_and_deleted(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
        monkeypatch.setattr("gallery.storage.s3.DELETE_BATCH", 4)
        keys = {store.stage(f"{number}", b"x").key for number in range(10)}
        page = store.client.list_objects_v2(Bucket=store.storage.uploads_bucket)
        assert page["IsTruncated"]
        assert {found.key for found in store.storage.list_staged(store.prefix)} == keys
        store.storage.delete([Deletion(1, store.storage.uploads_bucket, key) for key in keys])
        assert list(store.storage.list_staged(store.prefix)) == []

    def test_a_presigned_form_is_for_one_key_size_and_type(self, store: Store) -> None:
        url, fields = store.storage.presign_post(
            store.key("a.jpg"), size=17, content_type="image/jpeg", expires_seconds=60
        )
        assert httpx.URL(url).scheme in ("http", "https")
        assert (fields["key"], fields["Content-Type"]) == (f"{store.prefix}/a.jpg", "image/jpeg")
        assert {"policy", "x-amz-signature"} <= fields.keys()


def test_links_into_aws_name_the_region_since_a_young_bucket_would_redirect_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"DEFAULT_REGION": "eu-central-1", "ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    storage = Storage(Settings.from_environment(ON_AWS))
    key = ObjectKey("g/a.jpg")
    post, _ = storage.presign_post(key, size=17, content_type="image/jpeg", expires_seconds=60)
    put = storage.presign_put(key, size=17, content_type="image/jpeg", expires_seconds=60)
    hosts = {httpx.URL(link).host for link in (post, put, storage.presign_get(key, expires_seconds=60))}
    assert hosts == {"uploads.s3.eu-central-1.amazonaws.com", "library.s3.eu-central-1.amazonaws.com"}


@pytest.fixture
def of_another_region(
    stores: Servers, own_proxy: FaultyS3, settings: Settings, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    """Two buckets that are not there yet, from a shell with the region of another store."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, stores.environment[name])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    own = {"uploads_bucket": f"{gallery_id}-uploads", "library_bucket": f"{gallery_id}-library"}
    storage = Storage(settings.model_copy(update={"s3_endpoint_url": own_proxy.url, **own}))
    yield storage
    storage.close()


@pytest.mark.parametrize("code", ["InvalidLocationConstraint", "IllegalLocationConstraintException", "InvalidRegion"])
def test_a_store_that_knows_no_regions_is_asked_for_none(
    own_proxy: FaultyS3, of_another_region: Storage, code: str
) -> None:
    with (
        own_proxy.fault("PUT", "", when=names_a_region, status=400, code=code) as refused,
        own_proxy.fault("PUT", "", when=lambda request: not request.body, status=200, content=CREATED) as created,
    ):
        of_another_region.create_buckets()
    assert (refused.seen, created.seen) == (2, 2)


def test_a_region_that_a_store_refuses_either_way_is_named(own_proxy: FaultyS3, of_another_region: Storage) -> None:
    with (
        own_proxy.fault("PUT", "", status=400, code="InvalidLocationConstraint"),
        pytest.raises(ConfigurationError, match=r"'eu-central-1', which AWS_DEFAULT_REGION"),
    ):
        of_another_region.create_buckets()


def names_a_region(request: Request) -> bool:
    return b"<LocationConstraint>eu-central-1<" in request.body


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("action", ["download", "put", "copy", "delete", "list", "head"])
def test_a_store_that_refuses_just_now_is_a_transient_error(
    embedded: Store, own_proxy: FaultyS3, tmp_path: Path, action: str
) -> None:
    storage = embedded.storage
    staged = embedded.stage("a.jpg")
    path = tmp_path / "large"
    path.write_bytes(b"x")
    calls: dict[str, tuple[str, Callable[[], object]]] = {
        "download": ("GET", lambda: storage.download(staged.key, staged.etag, tmp_path / "1")),
        "put": ("PUT", lambda: storage.put(embedded.key("x"), path, "image/jpeg")),
        "copy": ("PUT", lambda: storage.copy_original(staged.key, staged.etag, embedded.key("x"), "image/jpeg")),
        "delete": ("POST", lambda: storage.delete([Deletion(1, storage.uploads_bucket, staged.key)]).raise_left()),
        "list": ("GET", lambda: list(storage.list_staged(embedded.prefix))),
        "head": ("HEAD", lambda: storage.head(storage.uploads_bucket, staged.key)),
    }
    method, call = calls[action]
    with own_proxy.fault(method, r"", status=503) as fault, pytest.raises(TransientError) as error:
        call()
    assert error.value.reason == "storage_unavailable"
    # boto3 bridged what was only a hiccup, and no more.
    assert fault.seen == CALLS
    assert not (tmp_path / "1").exists()
    with own_proxy.fault(method, r"", status=503, times=1):
        call()


def test_a_404_without_a_body_counts_for_an_object_once_its_bucket_is_seen(
    embedded: Store, own_proxy: FaultyS3
) -> None:
    storage, key = embedded.storage, embedded.key("a.jpg")
    bucket = storage.uploads_bucket
    pinned = Deletion(1, bucket, key, "etag")
    with own_proxy.fault("HEAD", f"^/{bucket}$") as asked:
        assert storage.head(bucket, key) is None
        storage.delete([pinned])
    assert asked.seen == 2
    with own_proxy.fault("HEAD", f"^/{bucket}$", status=404), pytest.raises(MissingBucket, match=bucket):
        storage.delete([pinned]).raise_left()
    with own_proxy.fault("HEAD", f"^/{bucket}$", status=403), pytest.raises(DeletionRefused, match="403"):
        storage.delete([pinned]).raise_left()


@pytest.mark.usefixtures("impatient")
def test_a_store_that_cannot_be_reached_is_a_transient_error(
    settings: Settings, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    away = Storage(settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"}))
    with pytest.raises(TransientError) as error:
        away.download(ObjectKey("g/u/a.jpg"), "etag", tmp_path / "1")
    assert error.value.reason == "storage_unavailable"
    assert list(tmp_path.iterdir()) == []
    away.close()


@pytest.mark.parametrize("cut", [0, 1, len(CONTENT) - 1])
def test_a_download_that_breaks_off_is_a_transient_error_and_leaves_no_file(
    stores: Servers, embedded: Store, tmp_path: Path, cut: int
) -> None:
    storage, staged = embedded.storage, embedded.stage("a.jpg")
    with stores.s3.fault("GET", r"/a\.jpg$", cut=cut) as fault, pytest.raises(TransientError) as error:
        storage.download(staged.key, staged.etag, tmp_path / "1")
    assert error.value.reason == "storage_unavailable"
    assert fault.seen >= 1
    assert list(tmp_path.iterdir()) == []
    storage.download(staged.key, staged.etag, tmp_path / "1")
    assert (tmp_path / "1").read_bytes() == CONTENT


MEASURE = """
import re, sys
from pathlib import Path
from gallery.settings import load_settings
from gallery.storage.s3 import Storage

def peak():
    # Of this program alone: what getrusage says begins with the peak of the process that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

small, small_etag, big, big_etag, folder = sys.argv[1:]
storage = Storage(load_settings())
storage.download(small, small_etag, Path(folder) / "small")
before = peak()
storage.download(big, big_etag, Path(folder) / "big")
print(peak() - before)
"""


def test_a_large_file_is_downloaded_in_constant_memory(stores: Servers, embedded: Store, tmp_path: Path) -> None:
    storage = embedded.storage
    small, big = embedded.stage("small", b"x" * 4 * 1024 * 1024), embedded.stage("big", bytes(BIG))
    environment = {
        **stores.environment,
        # Past the proxy, which is not made for files of this size.
        "GALLERY_S3_ENDPOINT_URL": stores.s3.upstream.geturl(),
        "PYTHONPATH": str(PROJECT),
    }
    command = [sys.executable, "-c", MEASURE, small.key, small.etag, big.key, big.etag, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "big").stat().st_size == BIG
    grown_kib = int(done.stdout)
    assert grown_kib < 16 * 1024
    storage.delete([Deletion(1, storage.uploads_bucket, big.key)])
