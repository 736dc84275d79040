"""A line to S3 that goes dead in the middle of an upload."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faulty_s3 import FaultyS3

POSTS = "^/gallery-uploads/?$"  # a form is posted to the bucket; its key stands in the form
LONGEST = 60  # seconds


@contextmanager
def dead_line(s3: FaultyS3, *, after: int) -> Iterator[None]:
    """While the block runs, so many files reach S3; the others hang, and are cut off at its end without arriving."""
    number, ended = itertools.count(1), threading.Event()

    def hang() -> None:
        if next(number) > after:
            ended.wait(LONGEST)
            raise ConnectionAbortedError("the test has cut this line")

    with s3.fault("POST", POSTS, before=hang):
        try:
            yield
        finally:
            ended.set()
