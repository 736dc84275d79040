"""Connections to S3 that stall in the middle of an upload."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faulty_s3 import FaultyS3

POSTS = "^/gallery-uploads/?$"  # a form is posted to the bucket; its key is a field of the form
LONGEST = 60  # seconds


@contextmanager
def stalled_connections(s3: FaultyS3, *, after: int) -> Iterator[None]:
    """Let `after` files reach S3 while the block runs. The others stall, and are cut off at its end."""
    number, ended = itertools.count(1), threading.Event()

    def stall() -> None:
        if next(number) > after:
            ended.wait(LONGEST)
            raise ConnectionAbortedError("the test has cut this connection")

    with s3.fault("POST", POSTS, before=stall):
        try:
            yield
        finally:
            ended.set()
