"""Content-MD5, for stores that know no newer checksum.

boto3 sends a CRC32 with the calls of which S3 demands a checksum. Older MinIO, Isilon, ECS, StorageGRID and others
demand Content-MD5 instead, and refuse those calls. Which kind a store is shows by its first refusal.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

A = TypeVar("A")

Operation = Literal["DeleteObjects", "PutBucketCors", "PutBucketLifecycleConfiguration", "PutObject"]
"""The calls that a store may want a checksum of; of the last only for buckets whose objects are locked by default."""

# Stores differ in the code that they give: MissingContentMD5, InvalidRequest, MissingDigest, NotImplemented, ...
REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.LENGTH_REQUIRED, HTTPStatus.NOT_IMPLEMENTED})


class ContentMd5:
    """Makes the calls of one client, with Content-MD5 once the store has taken one only so."""

    def __init__(self, client: S3Client) -> None:
        self._wanted: set[Operation] = set()
        for operation in get_args(Operation):
            client.meta.events.register(f"before-call.s3.{operation}", partial(self._replace_checksum, operation))

    @property
    def wanted(self) -> frozenset[Operation]:
        """The calls that were found to need it."""
        return frozenset(self._wanted)

    def send(self, operation: Operation, call: Callable[[], A]) -> A:
        """Make a call of this operation, a second time with Content-MD5 where it is refused. Raises `ClientError`."""
        was_sent = operation in self._wanted
        try:
            return call()
        except ClientError as refusal:
            code = str(refusal.response.get("Error", {}).get("Code"))
            if was_sent or not (status_of(refusal) in REFUSALS or "MD5" in code.upper() or "Digest" in code):
                raise
            self._wanted.add(operation)
            try:
                return call()
            except ClientError:
                # That was not the reason.
                self._wanted.discard(operation)
                raise refusal from None

    def _replace_checksum(self, operation: Operation, params: dict[str, Any], **_: object) -> None:
        if operation in self._wanted:
            params["context"].pop("checksum", None)
            params["headers"]["Content-MD5"] = _md5(params["body"])


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer that is an error; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _md5(body: Any) -> str:
    """Of bytes, or of a file from its beginning, where it is left."""
    if isinstance(body, bytes):
        digest = hashlib.md5(body, usedforsecurity=False)
    else:
        digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
        body.seek(0)
    return base64.b64encode(digest.digest()).decode()
