"""Messages of Amazon SNS: whose they are, and what they carry.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html: signed with the certificate that the
message names, which is fetched from AWS's own hosts only, over TLS, and from nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from gallery.errors import ForbiddenError, RefusedRequest

AWS_HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-\d+\.amazonaws\.com(\.cn)?")
NOTIFICATION_FIELDS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SUBSCRIPTION_FIELDS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# Seconds; and bytes of a certificate, which has some 2,000.
TIMEOUT = 10
LONGEST_ANSWER = 64 * 1024
# SNS itself repeats a message for at most an hour with its default policy; older ones are replays.
OLDEST = timedelta(hours=1)
MOST_CERTIFICATES = 16

Fetch = Callable[[str], bytes]


def fetch(url: str) -> bytes:
    """GET from an address that `check_url` has passed; no redirects. Raises `ForbiddenError`."""
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=False) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise ForbiddenError("SNS answered with more than a certificate")
    except httpx.HTTPError as error:
        raise ForbiddenError(f"SNS does not answer: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise ForbiddenError(f"SNS answered {answer.status_code}")
    return body


def check_url(url: object) -> str:
    """An https address on a host of SNS itself, or `ForbiddenError`."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        good = parts.scheme == "https" and parts.port in (None, 443) and AWS_HOST.fullmatch(parts.netloc.lower())
    except ValueError:
        good = None
    if not good or not isinstance(url, str):
        raise ForbiddenError("the message names an address that is not SNS's own")
    return url


class SnsMessages:
    """Checks messages of the listed topics. Safe to share between threads; keeps the certificates it has seen."""

    def __init__(self, topics: Sequence[str], fetch: Fetch = fetch) -> None:
        self._topics, self._fetch = frozenset(topics), fetch
        self._certificates: dict[str, x509.Certificate] = {}
        self._lock = threading.Lock()

    def open(self, body: bytes) -> str | None:
        """The text that a notification carries. A subscription is confirmed, and is `None`, as is its end.

        Raises `RefusedRequest` for what is no SNS message, `ForbiddenError` for one that is not signed by SNS, too
        old, or of a topic that is not listed.
        """
        message = _parse(body)
        if message.get("TopicArn") not in self._topics:
            raise ForbiddenError("the message's topic is not listed in GALLERY_SNS_TOPICS")
        kind = message.get("Type")
        if kind not in ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"):
            raise RefusedRequest("invalid_event", "the message's Type is not one of SNS's")
        self._verify(message, NOTIFICATION_FIELDS if kind == "Notification" else SUBSCRIPTION_FIELDS)
        _check_time(message.get("Timestamp"))
        if kind == "Notification":
            return str(message.get("Message", ""))
        if kind == "SubscriptionConfirmation":
            self._fetch(check_url(message.get("SubscribeURL")))
        return None

    def _verify(self, message: dict[str, Any], fields: Sequence[str]) -> None:
        algorithms: dict[object, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - SNS's version 1
        algorithm = algorithms.get(message.get("SignatureVersion"))
        if algorithm is None:
            raise ForbiddenError("the message's SignatureVersion is neither 1 nor 2")
        lines = [part for name in fields if message.get(name) is not None for part in (name, str(message[name]))]
        key = self._certificate(message.get("SigningCertURL")).public_key()
        try:
            signature = base64.b64decode(str(message.get("Signature", "")), validate=True)
            signed = "".join(f"{line}\n" for line in lines).encode()
            if not isinstance(key, RSAPublicKey):
                raise ForbiddenError("the message's certificate has no RSA key")
            key.verify(signature, signed, PKCS1v15(), algorithm)
        except (InvalidSignature, binascii.Error, ValueError):
            raise ForbiddenError("the message is not signed by SNS") from None

    def _certificate(self, url: object) -> x509.Certificate:
        address = check_url(url)
        if not urlsplit(address).path.endswith(".pem"):
            raise ForbiddenError("the message names no certificate")
        with self._lock:
            known = self._certificates.get(address)
        if known is None:
            try:
                known = x509.load_pem_x509_certificate(self._fetch(address))
            except ValueError:
                raise ForbiddenError("the message's certificate cannot be read") from None
            with self._lock:
                if len(self._certificates) >= MOST_CERTIFICATES:
                    self._certificates.clear()
                self._certificates[address] = known
        if not known.not_valid_before_utc <= datetime.now(UTC) <= known.not_valid_after_utc:
            raise ForbiddenError("the message's certificate is not valid now")
        return known


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise RefusedRequest("invalid_event", "the body is not an SNS message")
    return message


def _check_time(timestamp: object) -> None:
    try:
        sent = datetime.fromisoformat(str(timestamp))
        fresh = abs(datetime.now(UTC) - sent) <= OLDEST
    except (ValueError, TypeError):
        fresh = False
    if not fresh:
        raise ForbiddenError("the message is too old")
