"""Notifications of S3 events as stores write them."""

from __future__ import annotations

import json


def record(key: str, source: str = "aws:s3", name: str = "ObjectCreated:Put", bucket: str = "uploads") -> str:
    """A notification of one event, as AWS shapes it."""
    item = {"eventSource": source, "eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return json.dumps({"Records": [item]})
