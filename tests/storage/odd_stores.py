"""Stores that demand or refuse what the embedded one does not, made of it by the proxy before it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.faulty_s3 import FaultyS3, Request

# What S3 demands a checksum of: the deletion of several objects, and rules of a bucket.
CHECKED = [("POST", ("delete",)), ("PUT", ("cors", "lifecycle"))]


@contextmanager
def demanding_content_md5(s3: FaultyS3, status: int = 400, code: str = "MissingContentMD5") -> Iterator[None]:
    """As older MinIO, Isilon, ECS and StorageGRID do: no other checksum counts."""

    def lacks_it(request: Request) -> bool:
        return request.headers.get("content-md5") != md5_of(request.body)

    with ExitStack() as faults:
        for method, queries in CHECKED:
            for query in queries:

                def is_meant(request: Request, query: str = query) -> bool:
                    return request.query.split("=")[0] == query and lacks_it(request)

                faults.enter_context(s3.fault(method, "", when=is_meant, status=status, code=code))
        yield


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
