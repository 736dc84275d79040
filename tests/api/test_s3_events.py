"""S3's own events, real ones from the S3 server and made ones of other producers, and open uploads without any."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, func, select, update

from gallery.catalogue import arrivals
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import EntryRow, UploadRow
from gallery.errors import ForbiddenError, RefusedRequest
from gallery.storage.events import ArrivedObject, read_events
from gallery.storage.s3 import Storage, StoredObject
from gallery.storage.sns import NOTIFICATION_FIELDS, SUBSCRIPTION_FIELDS, SnsMessages, check_url
from tests.conftest import Servers
from tests.journeys import photo, wait_until
from tests.second_api import TOPIC, SecondApi

NAMES = {"card1/a b+c.jpg": photo(1), "ü&=%.jpg": photo(2)}
RECEIVED = ("accepted", "running", "completed")


@pytest.fixture
def events(servers: Servers, storage: Storage, gallery_id: str) -> Iterator[Callable[[int], list[str]]]:
    """Real events of the uploads bucket for this gallery, out of a queue, once there are so many."""
    options: Any = {
        "endpoint_url": servers.s3.url,
        "aws_access_key_id": servers.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": servers.environment["AWS_SECRET_ACCESS_KEY"],
        "region_name": "us-east-1",
    }
    sqs: Any = boto3.client("sqs", **options)  # type: ignore[call-overload]
    queue = sqs.create_queue(QueueName=f"events-{gallery_id}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(allow)})
    only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{gallery_id}/"}]}}
    storage._client.put_bucket_notification_configuration(
        Bucket=storage.uploads_bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": only}]  # type: ignore[typeddict-item]
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
    storage._client.put_bucket_notification_configuration(Bucket=storage.uploads_bucket, NotificationConfiguration={})
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


def record(key: str, source: str = "aws:s3", name: str = "ObjectCreated:Put", bucket: str = "uploads") -> str:
    item = {"eventSource": source, "eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return json.dumps({"Records": [item]})


@pytest.mark.parametrize("key", [*NAMES, "a%20b.jpg", "plus+.jpg", "日本 語.jpg"])
def test_keys_are_decoded_once_by_each_producers_convention(key: str) -> None:
    wanted = [ArrivedObject("uploads", key)]
    assert read_events(record(quote_plus(key, safe="/"))) == wanted
    assert read_events(record(quote_plus(key), "minio:s3", "s3:ObjectCreated:Post")) == wanted
    assert read_events(record(key, "ceph:s3")) == wanted
    bridged = {"bucket": {"name": "uploads"}, "object": {"key": key}}
    assert read_events(json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": bridged})) == wanted


def test_other_events_are_no_arrivals_and_no_event_is_refused() -> None:
    assert read_events(record("k", name="ObjectRemoved:Delete")) == []
    assert read_events('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}') == []
    for body in ("", "[]", "{}", '{"Records": [1]}', '{"Records": [{}]}', '{"Records": {}}', "[" * 100_000):
        with pytest.raises(RefusedRequest) as refused:
            read_events(body)
        assert refused.value.code == "invalid_event"


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


def test_without_a_key_or_a_listed_topic_nobody_may_report(second_api: SecondApi, servers: Servers) -> None:
    import httpx

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


class Sns:
    """A signer of messages as SNS is one, and the web that its certificate and links are fetched from."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        self.pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.fetched: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.pem

    def message(self, kind: str = "Notification", version: str = "2", **changed: str) -> bytes:
        message = {
            "Type": kind,
            "MessageId": "1",
            "TopicArn": TOPIC,
            "Message": record("k"),
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": version,
            "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        }
        if kind != "Notification":
            message |= {"Token": "t", "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Confirm"}
        message |= changed
        fields = NOTIFICATION_FIELDS if kind == "Notification" else SUBSCRIPTION_FIELDS
        text = "".join(f"{name}\n{message[name]}\n" for name in fields if name in message)
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        return json.dumps({**message, "Signature": base64.b64encode(signature).decode()}).encode()


@pytest.mark.parametrize("version", ["1", "2"])
def test_signed_messages_of_listed_topics_are_opened(version: str) -> None:
    sns = Sns()
    messages = SnsMessages([TOPIC], sns.fetch)
    for _ in range(2):
        assert messages.open(sns.message(version=version)) == record("k")
    assert messages.open(sns.message(version=version, Subject="with a subject")) == record("k")
    assert len(sns.fetched) == 1  # the certificate is kept
    assert messages.open(sns.message("SubscriptionConfirmation", version)) is None
    assert sns.fetched[1:] == ["https://sns.eu-central-1.amazonaws.com/?Action=Confirm"]
    assert messages.open(sns.message("UnsubscribeConfirmation", version)) is None
    assert len(sns.fetched) == 2


def test_a_message_that_is_changed_old_or_foreign_is_refused_and_fetches_nothing_foreign() -> None:
    sns = Sns()
    messages = SnsMessages([TOPIC], sns.fetch)
    changed = json.loads(sns.message())
    old = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    for body in (
        json.dumps({**changed, "Message": record("other")}).encode(),
        json.dumps({**changed, "Signature": "FAKE"}).encode(),
        json.dumps({**changed, "SignatureVersion": "3"}).encode(),
        sns.message(TopicArn=TOPIC + "x"),
        sns.message(Timestamp=old),
        sns.message(SigningCertURL="http://169.254.169.254/latest.pem"),
        sns.message("SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=Confirm"),
    ):
        with pytest.raises(ForbiddenError):
            messages.open(body)
    assert set(sns.fetched) == {"https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"}


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://user@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://s3.us-east-1.amazonaws.com/bucket/a.pem",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/a.pem",
        "https://[",
        "",
        None,
    ],
)
def test_only_addresses_of_sns_itself_are_ever_fetched(url: object) -> None:
    with pytest.raises(ForbiddenError):
        check_url(url)
    assert check_url("https://sns.cn-north-1.amazonaws.com.cn/a.pem")


def listing(storage: Storage, opened: dict[str, Any], age: timedelta) -> dict[str, StoredObject]:
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
