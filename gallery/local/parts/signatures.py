"""AWS Signature Version 4 of a request's headers, verified.

The rules: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. The hash of the
body is what the signed `x-amz-content-sha256` header says, not compared with the body: this identifies the
sender, and on 127.0.0.1 no one can change a request on its way.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qsl, quote

ALGORITHM = "AWS4-HMAC-SHA256"
# How far a request's time may be from ours; S3's own limit.
MAX_SKEW = timedelta(minutes=15)
Headers = list[tuple[str, str]]

_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<key>[^/,\s]+)"
    r"/(?P<scope>(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request)"
    r",\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})\s*"
)


@dataclass(frozen=True)
class Keys:
    """The one pair of keys that is accepted."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: S3's error code, and a sentence."""

    code: str
    message: str

    @classmethod
    def unknown_key(cls) -> Self:
        return cls("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")


def query_access_key(query: str) -> str | None:
    """The access key of a presigned request (version 4), None where the query is not one."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    if values.get("X-Amz-Algorithm") != ALGORITHM or "X-Amz-Signature" not in values:
        return None
    return values.get("X-Amz-Credential", "").split("/")[0]


def check_headers(
    keys: Keys, method: str, raw_path: str, query: str, headers: Headers, payload_hash: str
) -> Refusal | None:
    """None where the `Authorization` header proves that the sender has `keys`.

    `raw_path` and `query` are as they came, still percent-encoded; header names are in lower case.
    """
    given = [value for name, value in headers if name == "authorization"]
    parts = _AUTHORIZATION.fullmatch(given[0]) if len(given) == 1 else None
    if parts is None:
        return Refusal("AccessDenied", f"The Authorization header must be of the {ALGORITHM} scheme.")
    if parts["key"] != keys.access_key:
        return Refusal.unknown_key()
    moment = _value(headers, "x-amz-date")
    if not _is_current(moment) or moment[:8] != parts["day"]:
        return Refusal("RequestTimeTooSkewed", "The request's time is missing or too far from the server's.")
    signed = parts["signed"].split(";")
    if "host" not in signed or "x-amz-date" not in signed:
        return Refusal("AccessDenied", "The headers host and x-amz-date must be signed.")
    canonical = _canonical_request(method, raw_path, query, headers, signed, payload_hash)
    if hmac.compare_digest(parts["signature"], _signature(keys, parts, moment, canonical)):
        return None
    return Refusal(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    )


def _canonical_request(
    method: str, raw_path: str, query: str, headers: Headers, signed: list[str], payload_hash: str
) -> str:
    pairs = sorted((_encode(name), _encode(value)) for name, value in parse_qsl(query, keep_blank_values=True))
    lines = [f"{name}:{_value(headers, name)}" for name in signed]
    parts = [method, raw_path, "&".join(f"{name}={value}" for name, value in pairs)]
    return "\n".join([*parts, *lines, "", ";".join(signed), payload_hash])


def _signature(keys: Keys, parts: re.Match[str], moment: str, canonical_request: str) -> str:
    digest = hashlib.sha256(canonical_request.encode("latin-1")).hexdigest()
    key = b"AWS4" + keys.secret_key.encode()
    for step in (parts["day"], parts["region"], parts["service"], "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    to_sign = "\n".join([ALGORITHM, moment, parts["scope"], digest])
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _value(headers: Headers, name: str) -> str:
    return ",".join(" ".join(value.split()) for other, value in headers if other == name)


def _is_current(moment: str) -> bool:
    try:
        sent = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - sent) <= MAX_SKEW
