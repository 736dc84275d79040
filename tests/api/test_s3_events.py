"""S3's own events, real ones from the S3 server and made ones of other producers, and open uploads without any."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import httpx
import pytest
from sqlalchemy import Engine, func, select, update

from gallery.catalogue import arrivals
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import EntryRow, UploadRow
from gallery.models import ObjectKey
from gallery.storage.s3 import Storage, StoredObject
from tests.conftest import Servers
from tests.journeys import photo, wait_until
from tests.second_api import TOPIC, SecondApi
from tests.storage.notifications import record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import NotificationConfigurationFilterTypeDef

NAMES = {"card1/a b+c.jpg": photo(1), "ü&=%.jpg": photo(2)}
RECEIVED = ("accepted", "running", "completed")


@pytest.fixture
def events(servers: Servers, storage: Storage, s3: S3Client, gallery_id: str) -> Iterator[Callable[[int], list[str]]]:
    """Real events of the uploads bucket for this gallery, out of a queue, once there are so many."""
    options: Any = {
        "endpoint_url": servers.s3.url,
        "aws_access_key_id": servers.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": servers.environment["AWS_SECRET_ACCESS_KEY"],
        "region_name": "us-east-1",
    }
    sqs: Any = boto3.client("sqs", **options)
    queue = sqs.create_queue(QueueName=f"events-{gallery_id}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(allow)})
    only: NotificationConfigurationFilterTypeDef = {
        "Key": {"FilterRules": [{"Name": "prefix", "Value": f"{gallery_id}/"}]}
    }
    s3.put_bucket_notification_configuration(
        Bucket=storage.uploads_bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": only}]
        },
    )
    got: list[str] = []

    def receive(count: int) -> list[str]:
        def enough() -> list[str] | None:
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            got.extend(message["Body"] for message in answer.get("Messages", []))
            return got if sum("Records" in body for body in got) >= count else None

        return wait_until(enough, f"{count} events")

    yield receive
    s3.put_bucket_notification_configuration(Bucket=storage.uploads_bucket, NotificationConfiguration={})
    sqs.delete_queue(QueueUrl=queue)


def test_real_events_complete_an_upload_without_its_browser(
    second_api: SecondApi, events: Callable[[int], list[str]], engine: Engine, gallery_id: str
) -> None:
    opened = second_api.open_upload(gallery_id, NAMES)
    second_api.put(opened, NAMES)
    bodies = events(2)
    records = [body for body in bodies if "Records" in body]
    # Twice, backwards, and the store's test event among them: no harm.
    counted = []
    for body in [*records[:1], *records[:1], *(body for body in bodies if body not in records), *records[1:]]:
        answer = second_api.http.post("/v1/webhooks/s3", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        counted.append(answer.json()["arrived"])
    assert (counted[0], counted[1], sum(counted)) == (1, 0, 2)
    status = second_api.wait_for(opened["upload_id"], "completed")
    assert status["counts"]["saved"] == 2
    with transaction(engine) as session:
        row = session.get(UploadRow, opened["upload_id"])
        assert row is not None
        assert (row.trigger, row.attempt) == ("s3_event", 1)
    # Late repetitions start nothing.
    late = second_api.http.post("/v1/webhooks/s3", content=records[0], headers={"Content-Type": "application/json"})
    assert late.json() == {"arrived": 0}
    assert second_api.status(opened["upload_id"])["state"] == "completed"


def test_events_of_unknown_keys_and_of_the_library_change_nothing(
    second_api: SecondApi, storage: Storage, gallery_id: str
) -> None:
    opened = second_api.open_upload(gallery_id, {"a.jpg": photo(1)})
    key = opened["files"][0]["key"]
    for body in (
        record(quote(key), bucket=storage.library_bucket),
        record("nobody/knows/this.jpg", bucket=storage.uploads_bucket),
        record("short", bucket=storage.uploads_bucket),
        record(f"{gallery_id}/{opened['upload_id']}/not-declared.jpg", bucket=storage.uploads_bucket),
        record(f"other/{opened['upload_id']}/a.jpg", bucket=storage.uploads_bucket),
        record("a%00/b/c", bucket=storage.uploads_bucket),
    ):
        answer = second_api.http.post("/v1/webhooks/s3", content=body)
        assert (answer.status_code, answer.json()) == (200, {"arrived": 0})


def test_an_event_for_an_object_that_is_not_there_completes_nothing(
    second_api: SecondApi, engine: Engine, storage: Storage, gallery_id: str
) -> None:
    opened = second_api.open_upload(gallery_id, {"a.jpg": photo(1)})
    upload_id = opened["upload_id"]
    body = record(quote(opened["files"][0]["key"]), bucket=storage.uploads_bucket)
    assert second_api.http.post("/v1/webhooks/s3", content=body).json() == {"arrived": 1}

    def looked_again() -> bool | None:
        with transaction(engine) as session:
            query = select(UploadRow.check_after > func.now()).where(UploadRow.upload_id == upload_id)
            return session.scalar(query) or None

    wait_until(looked_again, "the reconciler to look")
    assert second_api.status(upload_id)["state"] == "open"


def test_a_store_that_sends_no_bearer_token_gives_its_key_as_password_or_in_the_path(second_api: SecondApi) -> None:
    key = second_api.http.headers["Authorization"].removeprefix("Bearer ")
    url = f"{second_api.url}/v1/webhooks/s3"
    begun = len(second_api.log.read_text())
    for user in ("", "radosgw"):
        answer = httpx.post(url, content=record("k"), auth=(user, key))
        assert (answer.status_code, answer.json()) == (200, {"arrived": 0})
    answer = httpx.post(f"{url}/{quote(key, safe='')}", content=record("k"))
    assert (answer.status_code, answer.json()) == (200, {"arrived": 0})
    wrong = "a-key/of nobody"
    assert httpx.post(url, content=record("k"), auth=(key, wrong)).status_code == 401
    assert httpx.post(url, content=record("k"), headers={"Authorization": "Basic !"}).status_code == 401
    for path in (quote(wrong, safe=""), f"{quote(key, safe='')}x", ""):
        assert httpx.post(f"{url}/{path}", content=record("k"), follow_redirects=True).status_code == 401
    assert httpx.get(f"{url}/{quote(key, safe='')}").status_code == 405
    # As people mistype it.
    for path in ("/v1/webhooks//s3/", "/v1/webhooks/S3/", "/v1/webhook/s3/", "/v1/webhooks/uploads/"):
        assert httpx.post(f"{second_api.url}{path}{quote(key, safe='')}", content=record("k")).status_code in (404, 405)
    link = second_api.http.post("/v1/galleries/g/upload-links", json={}).json()["token"]
    assert httpx.post(f"{url}/{link}", content=record("k")).status_code == 403
    log = wait_until(
        lambda: said if (said := second_api.log.read_text()[begun:]).count("/webhooks/s3/...") >= 4 else None, "the log"
    )
    for secret in (key, quote(key, safe=""), "of nobody", "of%20nobody", link):
        assert secret not in log


def test_without_a_key_or_a_listed_topic_nobody_may_report(second_api: SecondApi, servers: Servers) -> None:
    url = f"{second_api.url}/v1/webhooks/s3"
    assert httpx.post(url, content=record("k")).status_code == 401
    sns = {"x-amz-sns-message-type": "Notification"}
    assert httpx.post(url, content=json.dumps({"Type": "Notification"}), headers=sns).status_code == 403
    # As ministack signs: not at all.
    fake = {
        "Type": "Notification",
        "TopicArn": TOPIC,
        "Message": record("k"),
        "SignatureVersion": "1",
        "Signature": "FAKE",
        "SigningCertURL": f"{servers.s3.url}/SimpleNotificationService-fake.pem",
    }
    assert httpx.post(url, content=json.dumps(fake), headers=sns).status_code == 403


def listing(storage: Storage, opened: dict[str, Any], age: timedelta) -> dict[ObjectKey, StoredObject]:
    """The staged files as if they had been there for so long."""
    prefix = opened["files"][0]["key"].rsplit("/", 1)[0] + "/"
    moment = datetime.now(UTC) - age
    return {item.key: StoredObject(item.key, item.etag, item.size, moment) for item in storage.list_staged(prefix)}


def test_files_that_lie_there_unannounced_complete_after_a_minutes_quiet(
    second_api: SecondApi, engine: Engine, storage: Storage, gallery_id: str
) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2)}
    opened = second_api.open_upload(gallery_id, files)
    second_api.put(opened, {"a.jpg": files["a.jpg"]})
    with transaction(engine) as session:
        partial = listing(storage, opened, timedelta(hours=3))
        assert arrivals.settle_open(session, opened["upload_id"], partial) == "open"
        arrived = session.scalars(
            select(EntryRow.file_name).where(
                EntryRow.upload_id == opened["upload_id"], EntryRow.arrived_at.is_not(None)
            )
        )
        assert arrived.all() == ["a.jpg"]
    second_api.put(opened, {"b.jpg": files["b.jpg"]})
    with transaction(engine) as session:
        assert arrivals.settle_open(session, opened["upload_id"], listing(storage, opened, timedelta(0))) == "open"
        session.rollback()
    with transaction(engine) as session:
        whole = listing(storage, opened, timedelta(seconds=61))
        assert arrivals.settle_open(session, opened["upload_id"], whole) == "accepted"
    assert second_api.wait_for(opened["upload_id"], *RECEIVED)


def test_an_upload_left_partial_expires_visibly(second_api: SecondApi, engine: Engine, gallery_id: str) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2)}
    opened = second_api.open_upload(gallery_id, files)
    second_api.put(opened, {"a.jpg": files["a.jpg"]})
    with transaction(engine) as session:
        mine = UploadRow.upload_id == opened["upload_id"]
        session.execute(update(UploadRow).where(mine).values(expires_at=func.now()))
    status = second_api.wait_for(opened["upload_id"], "expired")
    assert status["counts"]["pending"] == 2
    for action in ("complete", "sign", "retry", "cancel"):
        answer = second_api.http.post(f"/v1/uploads/{opened['upload_id']}/{action}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), action
