"""What a notification says has arrived, by each producer's convention."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import pytest

from gallery.errors import RefusedRequest
from gallery.storage.events import ArrivedObject, read_events
from tests.storage.notifications import record


@pytest.mark.parametrize("key", ["card1/a b+c.jpg", "ü&=%.jpg", "a%20b.jpg", "plus+.jpg", "日本 語.jpg"])
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
