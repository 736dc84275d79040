"""S3 event notifications: which object has arrived, by each producer's own convention.

| producer | shape | key |
| --- | --- | --- |
| AWS, ministack, moto | `Records`, `eventSource` `aws:s3` | URL-encoded as a form, a space is `+` |
| MinIO | `Records`, `eventSource` `minio:s3` | the same, `/` too |
| Ceph radosgw | `Records`, `eventSource` `ceph:s3` | as it is |
| EventBridge | `detail-type` `Object Created` | as it is |

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.ceph.com/en/latest/radosgw/s3-notification-compatibility/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from gallery.errors import RefusedRequest

CREATED = "ObjectCreated:"
KEYS_AS_THEY_ARE = frozenset({"ceph:s3"})
MAX_RECORDS = 10_000


@dataclass(frozen=True, slots=True)
class ArrivedObject:
    """An object that S3 says was created; `key` is decoded."""

    bucket: str
    key: str


def read_events(body: bytes | str) -> list[ArrivedObject]:
    """The objects that a notification says were created; other events are none.

    Raises `RefusedRequest` (`invalid_event`) for what is no notification.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("the body is not JSON") from None
    if not isinstance(event, dict):
        raise _invalid("the body is not an object")
    if event.get("Event") == "s3:TestEvent":
        return []
    if "detail-type" in event:
        return list(_event_bridge(event))
    records = event.get("Records")
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise _invalid(f"there is no list of at most {MAX_RECORDS:,} Records")
    return [item for record in records for item in _record(record)]


def _record(record: Any) -> Iterator[ArrivedObject]:
    try:
        # MinIO writes "s3:ObjectCreated:Put" where AWS writes "ObjectCreated:Put".
        name = str(record["eventName"]).removeprefix("s3:")
        source, bucket, key = record.get("eventSource"), record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        if not name.startswith(CREATED):
            return
        yield ArrivedObject(_text(bucket), _text(key) if source in KEYS_AS_THEY_ARE else unquote_plus(_text(key)))
    except (KeyError, TypeError, AttributeError):
        raise _invalid("a record has no eventName, s3.bucket.name or s3.object.key") from None


def _event_bridge(event: dict[str, Any]) -> Iterator[ArrivedObject]:
    if event["detail-type"] != "Object Created" or event.get("source") != "aws.s3":
        return
    try:
        yield ArrivedObject(_text(event["detail"]["bucket"]["name"]), _text(event["detail"]["object"]["key"]))
    except (KeyError, TypeError):
        raise _invalid("the detail has no bucket.name or object.key") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _invalid(why: str) -> RefusedRequest:
    return RefusedRequest("invalid_event", f"this is no S3 event notification: {why}")
