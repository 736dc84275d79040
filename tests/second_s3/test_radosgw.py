"""A whole gallery on Ceph's radosgw, and what no test can ask of the embedded server: `make s3-second`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import func, update

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import OutboxRow
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.bucket_rules import set_bucket_rules
from gallery.storage.contract import StoreContract
from gallery.storage.keys import is_result
from gallery.storage.s3 import Storage
from tests.command import gallery
from tests.conftest import PROJECT, Servers
from tests.journeys import Journeys, photo, wait_until
from tests.second_api import SecondApi

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REAL = [path.read_bytes() for path in sorted((PROJECT / "tests" / "photos").glob("*.jpg"))]
# An emoji and a kanji beyond U+FFFF, and what addresses, forms and signatures have trouble with.
NAMES = ["🎂 cake.jpg", "𠮷野家/a+b.jpg", " 100%41 &=;.jpg", "ü.jpg"]
MORE_THAN_A_PAGE = 1_050
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
# What docs/stores.md says to set in a versioned bucket.
FORMER_VERSIONS: Any = {
    "ID": "former-versions",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    "Expiration": {"ExpiredObjectDeleteMarker": True},
}


@pytest.fixture(scope="session", autouse=True)
def on_radosgw(s3_elsewhere: dict[str, str]) -> None:
    """Before anything is started."""
    if not s3_elsewhere:
        pytest.skip("`make s3-second` runs it")


@pytest.fixture
def own_buckets(
    servers: Servers, settings: Settings, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreContract]:
    """The contract of two buckets of the test's own, which are not there yet."""
    for name in CREDENTIALS:
        monkeypatch.setenv(name, servers.environment[name])
    contract = StoreContract(with_own_buckets(settings, gallery_id))
    yield contract
    contract.close()


def with_own_buckets(settings: Settings, gallery_id: str) -> Settings:
    return settings.model_copy(
        update={"uploads_bucket": f"{gallery_id}-uploads", "library_bucket": f"{gallery_id}-library"}
    )


def buckets_of(storage: Storage) -> tuple[str, str]:
    return storage.uploads_bucket, storage.library_bucket


def everything(storage: Storage) -> set[tuple[str, str]]:
    """All that is in both buckets, but for cached results, which are there for three days."""
    return {
        (bucket, found.key)
        for bucket in buckets_of(storage)
        for page in storage.list_pages(bucket)
        for found in page
        if not is_result(found.key)
    }


def test_the_check_finds_nothing_that_is_lacking(servers: Servers) -> None:
    found = gallery("check", "--json", home=servers.home)
    assert [item for item in json.loads(found.stdout) if item["problem"] or item["reminder"]] == []
    assert found.returncode == 0


def test_a_gallery_comes_and_changes_and_goes_without_a_trace(journeys: Journeys, gallery_id: str) -> None:
    before = everything(journeys.storage)
    files = dict(zip(NAMES, [*REAL, photo(1)], strict=True))
    first = journeys.send(gallery_id, files)
    assert (first.state, first.counts["saved"]) == ("completed", len(files))
    current = journeys.current(gallery_id)
    for name, content in files.items():
        assert current[name].sha256 == hashlib.sha256(content).hexdigest()
        assert journeys.looks_like(current[name].styles["thumb"][0], content), name

    replacing = {NAMES[0]: photo(2), NAMES[1]: photo(3)}
    of_first_entry = rf"^/{journeys.storage.library_bucket}/{gallery_id}/[^/]+/1/"
    with journeys.servers.s3.fault("PUT", of_first_entry, status=503):
        second = journeys.send(gallery_id, replacing)
    assert (second.state, second.counts["replaced"], second.counts["failed"]) == ("failed", 1, 1)
    assert journeys.retry(journeys.upload(second.upload_id).flow_run_id)["state"]["type"] == "COMPLETED"
    current = journeys.current(gallery_id)
    for name, content in replacing.items():
        assert current[name].sha256 == hashlib.sha256(content).hexdigest()
    assert journeys.library(gallery_id) == {key for version in current.values() for key in version.keys}

    images = journeys.api.get(f"/v1/galleries/{gallery_id}/images").json()["images"]
    deleted, path = current.pop(images[0]["file_name"]), f"/v1/galleries/{gallery_id}/images/{images[0]['image_id']}"
    assert journeys.api.delete(path).status_code == 204
    wait_until(lambda: not journeys.library(gallery_id) & deleted.keys or None, "the image's objects to be deleted")
    assert journeys.library(gallery_id) == {key for version in current.values() for key in version.keys}

    # The API's first try fails, and the sweep is there before its next.
    with journeys.servers.s3.fault("POST", "", when=lambda request: "delete" in request.query, status=503) as refused:
        assert journeys.api.delete(f"/v1/galleries/{gallery_id}").status_code == 204
        wait_until(lambda: refused.seen or None, "a deletion")
    with transaction(journeys.engine) as session:
        session.execute(update(OutboxRow).where(OutboxRow.done_at.is_(None)).values(due_at=func.now()))
    swept = gallery("sweep", "--delete", "--json", home=journeys.servers.home)
    assert swept.returncode == 0, swept.stdout or swept.stderr
    wait_until(lambda: not journeys.due(gallery_id) or None, "all deletions to be done")
    assert everything(journeys.storage) == before


def test_more_objects_than_a_page_or_a_deletion_takes(storage: Storage, s3: S3Client, gallery_id: str) -> None:
    keys = [ObjectKey(f"{gallery_id}/{number:04}.jpg") for number in range(MORE_THAN_A_PAGE)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: s3.put_object(Bucket=storage.uploads_bucket, Key=key, Body=b"x"), keys))
    assert [len(page) for page in storage.list_pages(storage.uploads_bucket, gallery_id)] == [1000, 50]
    assert [found.key for found in storage.list_staged(gallery_id)] == keys
    deleted = storage.delete([Deletion(number, storage.uploads_bucket, key) for number, key in enumerate(keys)])
    assert (len(deleted.done), deleted.refused, deleted.error) == (MORE_THAN_A_PAGE, {}, None)
    assert list(storage.list_staged(gallery_id)) == []


def test_names_that_xml_cannot_carry_are_deleted_with_the_others(
    storage: Storage, s3: S3Client, gallery_id: str
) -> None:
    keys = [ObjectKey(f"{gallery_id}/{name}") for name in ("a.jpg", "b\ufffe.jpg", "c\uffff.jpg", "d\x01.jpg", "e.jpg")]
    for key in keys:
        s3.put_object(Bucket=storage.uploads_bucket, Key=key, Body=b"x")
    deletions = [Deletion(number, storage.uploads_bucket, key) for number, key in enumerate(keys)]
    deleted = storage.delete(deletions)
    assert sorted(deletion.key for deletion in deleted.done) == sorted(keys)
    assert [storage.head(storage.uploads_bucket, key) for key in keys] == [None] * len(keys)


def test_buckets_are_created_whatever_region_the_shell_has(
    own_buckets: StoreContract, settings: Settings, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    contract = StoreContract(with_own_buckets(settings, gallery_id))
    contract.storage.create_buckets()
    contract.storage.create_buckets()
    for demand in [*contract.permissions(), *contract.refusals()]:
        demand.attempt()
    contract.close()


def test_former_versions_stay_and_the_check_says_so(
    own_buckets: StoreContract, s3: S3Client, settings: Settings, gallery_id: str
) -> None:
    storage = own_buckets.storage
    storage.create_buckets()
    for bucket in buckets_of(storage):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [FORMER_VERSIONS]})
    for demand in [*own_buckets.permissions(), *own_buckets.refusals()]:
        demand.attempt()
    assert [reminder.partition(":")[0] for reminder in own_buckets.reminders()] == [
        f"versioning is on in {bucket}" for bucket in buckets_of(storage)
    ]
    assert everything(storage) == set()
    for bucket in buckets_of(storage):
        assert s3.list_object_versions(Bucket=bucket)["Versions"]
    # The rule that ends them stays beside ours.
    assert set_bucket_rules(with_own_buckets(settings, gallery_id)) == []
    rules = s3.get_bucket_lifecycle_configuration(Bucket=storage.uploads_bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {FORMER_VERSIONS["ID"], "gallery-ingest-staged"}


def test_locked_buckets_take_and_delete_photographs_and_the_check_says_what_stays(
    own_buckets: StoreContract, s3: S3Client
) -> None:
    storage = own_buckets.storage
    for bucket in buckets_of(storage):
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        s3.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
            },
        )
    for demand in [*own_buckets.permissions(), *own_buckets.refusals()]:
        demand.attempt()
    told = " ".join(own_buckets.reminders())
    assert all(f"{bucket} has Object Lock" in told for bucket in buckets_of(storage))


def test_a_policy_that_forbids_deletions_is_told_with_its_code(own_buckets: StoreContract, s3: S3Client) -> None:
    storage = own_buckets.storage
    storage.create_buckets()
    bucket = storage.uploads_bucket
    keys = [ObjectKey(f"{name}.jpg") for name in "abc"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/b.jpg"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    deleted = storage.delete([Deletion(number, bucket, key) for number, key in enumerate(keys)])
    assert [deletion.key for deletion in deleted.done] == ["a.jpg", "c.jpg"]
    assert [(deletion.key, code) for deletion, code in deleted.refused.items()] == [("b.jpg", "AccessDenied")]


@pytest.mark.parametrize(
    ("address", "is_secret"),
    [("http://events:{key}@{host}/v1/webhooks/s3", True), ("http://{host}/v1/webhooks/s3/{key}", False)],
    ids=["password", "path"],
)
def test_events_of_a_topic_complete_an_upload(
    second_api: SecondApi,
    servers: Servers,
    s3: S3Client,
    gallery_id: str,
    journeys: Journeys,
    address: str,
    is_secret: bool,
) -> None:
    endpoint = address.format(key=quote(servers.info.api_key, safe=""), host=httpx.URL(second_api.url).netloc.decode())
    topic = topic_maker(servers)
    attributes = {"push-endpoint": endpoint}
    if is_secret:
        # It takes no password from a request without TLS, whatever the address.
        with pytest.raises(ClientError):
            topic.create_topic(Name=gallery_id, Attributes=attributes)
        topic.meta.events.register("before-send.sns.CreateTopic", as_behind_tls)
    arn = topic.create_topic(Name=gallery_id, Attributes=attributes)["TopicArn"]
    only: Any = {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{gallery_id}/"}]}}
    s3.put_bucket_notification_configuration(
        Bucket=servers.info.uploads_bucket,
        NotificationConfiguration={
            "TopicConfigurations": [
                {"Id": gallery_id, "TopicArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": only}
            ]
        },
    )
    files = {name: photo(number) for number, name in enumerate(NAMES)}
    opened = second_api.open_upload(gallery_id, files)
    second_api.put(opened, files)
    assert second_api.wait_for(opened["upload_id"], "completed")["counts"]["saved"] == len(files)
    assert journeys.upload(opened["upload_id"]).trigger == "s3_event"
    assert servers.info.api_key not in second_api.log.read_text()


def topic_maker(servers: Servers) -> Any:
    return boto3.client(
        "sns",
        endpoint_url=servers.s3.upstream.geturl(),
        aws_access_key_id=servers.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=servers.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=servers.environment["AWS_DEFAULT_REGION"],
    )


def as_behind_tls(request: Any, **_: object) -> None:
    request.headers["X-Forwarded-Proto"] = "https"
