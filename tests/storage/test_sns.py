"""Whose a message of Amazon SNS is, and what is fetched on its behalf."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from gallery.errors import ForbiddenError
from gallery.storage.sns import NOTIFICATION_FIELDS, SUBSCRIPTION_FIELDS, SnsMessages, check_url
from tests.storage.notifications import record

TOPIC = "arn:aws:sns:eu-central-1:123456789012:uploads"


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
