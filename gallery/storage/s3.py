"""S3 through boto3: streams files to disk and back, copies, deletes, lists, presigns.

Each error says whether the same call may succeed later: `TransientError` for a store that does not answer or
refuses just now, `StagedFileError` for an object that is gone or no longer the pinned one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from urllib3.exceptions import HTTPError

from gallery.errors import ConfigurationError, MissingBucket, StagedFileError, TransientError
from gallery.models import Deleted, Deletion, ObjectKey
from gallery.settings import MIB, Settings
from gallery.storage.content_md5 import REFUSALS, ContentMd5, status_of
from gallery.storage.post_policy import sign_posts_in_utf8

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteObjectsOutputTypeDef, PutObjectOutputTypeDef

# S3, and what hands out credentials, by the names of botocore's list of endpoints.
_AWS_SERVICES = frozenset({"s3", "sts", "oidc", "portal.sso"})
# Seconds, and calls in all. The stages retry with longer pauses; boto3 only bridges a hiccup.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
CALLS = 3

# What to do about answers that a store repeats until somebody does it.
HINTS = {
    "301": "the bucket is in another region; set AWS_DEFAULT_REGION",
    "403": "the credentials are wrong or may not do that, or the clocks differ",
    "AccessDenied": "these credentials may not do that, or the bucket's policy forbids it",
    "RequestTimeTooSkewed": "the clocks of this machine and of the store differ too much",
    "InvalidAccessKeyId": "the store does not know this access key",
    "SignatureDoesNotMatch": "the secret key is wrong, or something between here and the store changes requests",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "NoSuchBucket": "there is no such bucket; `gallery setup` creates it",
    "PermanentRedirect": "the bucket is in another region; set AWS_DEFAULT_REGION",
    "AuthorizationHeaderMalformed": "requests are signed for another region than the bucket's; set AWS_DEFAULT_REGION",
}
NO_SUCH_REGION = frozenset({"InvalidLocationConstraint", "IllegalLocationConstraintException", "InvalidRegion"})
CHUNK = MIB
DELETE_BATCH = (
    1000  # objects a DeleteObjects call takes, https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
)

GONE = frozenset({"NoSuchKey", "404", "NotFound"})
# Answers that may mean that a whole bucket is missing: without a body, as HEAD has it, a 404 does not say what is.
NO_BUCKET = frozenset({"NoSuchBucket", "404", "NotFound"})
CHANGED = frozenset({"PreconditionFailed", "412"})
# Rights, legal holds and retention: to ask again within a run changes nothing.
FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed"})
# What stores answer that cannot delete several objects in one call.
NO_SUCH_CALL = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
# Refusals, and errors of single keys, that another try may not meet.
PASSING = frozenset(
    {
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "OperationAborted",
        "RequestTimeout",
        "IncompleteBody",
        "BadDigest",
        "ExpiredToken",
        "InvalidToken",
    }
)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing or HEAD shows it; `etag` without quotes, `size` in bytes."""

    key: ObjectKey
    etag: str
    size: int
    modified_at: datetime | None = field(default=None, compare=False)


class Storage:
    """The uploads and the library bucket. One per process: its client is thread-safe and keeps connections."""

    def __init__(self, settings: Settings) -> None:
        self.uploads_bucket = settings.uploads_bucket
        self.library_bucket = settings.library_bucket
        self._client = s3_client(settings, settings.s3_endpoint_url)
        self._md5 = ContentMd5(self._client)
        public = settings.s3_public_endpoint_url
        self._presigner = self._client if public is None else s3_client(settings, public)

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self._client.meta.region_name

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._presigner.close()

    def list_staged(self, prefix: str) -> Iterator[StoredObject]:
        """All objects of the uploads bucket below `prefix`."""
        for page in self.list_pages(self.uploads_bucket, prefix):
            yield from page

    def list_pages(self, bucket: str, prefix: str = "") -> Iterator[list[StoredObject]]:
        """The objects of a bucket below `prefix` in the order of their keys, by pages of at most 1,000."""
        with self._translated("list", prefix or bucket, bucket):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                _check_listing(bucket, page)
                yield [
                    StoredObject(ObjectKey(item["Key"]), item["ETag"].strip('"'), item["Size"], item["LastModified"])
                    for item in page.get("Contents", [])
                ]

    def download(self, key: ObjectKey, etag: str, path: Path, *, bucket: str | None = None) -> str:
        """Stream an object, a staged one by default, to `path`, in constant memory, and return its SHA-256 in hex.

        Raises `StagedFileError` where the object is gone or no longer has `etag`. Leaves no file behind when
        it fails.
        """
        bucket = bucket or self.uploads_bucket
        digest = hashlib.sha256()
        try:
            with self._translated("download", key, bucket), path.open("xb") as file:
                answer = self._client.get_object(Bucket=bucket, Key=key, IfMatch=_quoted(etag))
                with closing(answer["Body"]) as body:
                    for chunk in body.iter_chunks(CHUNK):
                        digest.update(chunk)
                        file.write(chunk)
                    if file.tell() != answer["ContentLength"]:
                        raise TransientError("storage_unavailable", f"download of {key} ended early")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def put(self, key: ObjectKey, path: Path, content_type: str, *, bucket: str | None = None) -> str:
        """Write a whole file, to the library bucket by default, over whatever is there; returns its ETag."""
        bucket = bucket or self.library_bucket
        with self._translated("upload", key, bucket), path.open("rb") as file:

            def send() -> PutObjectOutputTypeDef:
                file.seek(0)
                return self._client.put_object(Bucket=bucket, Key=key, Body=file, ContentType=content_type)

            return self._md5.send("PutObject", send)["ETag"].strip('"')

    def read_bytes(self, key: ObjectKey) -> bytes:
        """A small object of the library bucket, whole. Raises `StagedFileError` where there is none."""
        with self._translated("read", key, self.library_bucket):
            return self._client.get_object(Bucket=self.library_bucket, Key=key)["Body"].read()

    def write_bytes(self, key: ObjectKey, content: bytes) -> None:
        """Write a small object to the library bucket."""
        with self._translated("write", key, self.library_bucket):
            self._md5.send(
                "PutObject", lambda: self._client.put_object(Bucket=self.library_bucket, Key=key, Body=content)
            )

    def copy_original(
        self, source: ObjectKey, etag: str, key: ObjectKey, content_type: str, *, bucket: str | None = None
    ) -> None:
        """Copy an object, a staged one by default, into the library, inside the store, only while it still has `etag`.

        Raises `StagedFileError` where it is gone or changed.
        """
        bucket = bucket or self.uploads_bucket
        with self._translated("copy", source, bucket, self.library_bucket):
            answer = self._client.copy_object(
                Bucket=self.library_bucket,
                Key=key,
                CopySource={"Bucket": bucket, "Key": source},
                CopySourceIfMatch=_quoted(etag),
                ContentType=content_type,
                MetadataDirective="REPLACE",
            )
            # Ceph's radosgw 16 and others ignore the condition: https://tracker.ceph.com/issues/53945. The copy of a
            # file in several parts may have another ETag; then the source tells.
            if answer["CopyObjectResult"].get("ETag") not in (_quoted(etag), etag):
                now = self._client.head_object(Bucket=bucket, Key=source)["ETag"].strip('"')
                if now != etag:
                    self._client.delete_object(Bucket=self.library_bucket, Key=key)
                    raise _overwritten("copy", source)

    def head(self, bucket: str, key: ObjectKey) -> StoredObject | None:
        """The object's ETag and size, or `None` where there is none.

        Raises `MissingBucket` where the bucket itself is not there.
        """
        try:
            with self._translated("look up", key, bucket):
                answer = self._client.head_object(Bucket=bucket, Key=key)
                return StoredObject(key, answer["ETag"].strip('"'), answer["ContentLength"], answer["LastModified"])
        except StagedFileError:
            return None

    def delete(self, deletions: Iterable[Deletion]) -> Deleted:
        """Delete objects; one that is gone already is as good. One with an `etag` stays if it has another now.

        What the store refuses for good holds up no other. Raises nothing: what is left, and why, is in the result.
        Where a bucket is not there, nothing that was in it counts as deleted.
        """
        deleted = Deleted()
        by_bucket: dict[str, dict[str, list[Deletion]]] = defaultdict(lambda: defaultdict(list))
        for deletion in deletions:
            try:
                if self._is_meant(deletion):
                    by_bucket[deletion.bucket][deletion.key].append(deletion)
                else:
                    deleted.done.append(deletion)
            except TransientError as error:
                if (refusal := _refusal(error)) is None:
                    deleted.error = error
                    break
                deleted.note([deletion], refusal)
        for bucket, by_key in by_bucket.items():
            keys = list(by_key)
            try:
                for start in range(0, len(keys), DELETE_BATCH):
                    for key, refusal in self._delete_batch(bucket, keys[start : start + DELETE_BATCH]):
                        deleted.note(by_key[key], refusal)
            except TransientError as error:
                deleted.error = error
        return deleted

    def _is_meant(self, deletion: Deletion) -> bool:
        """Whether the object is there, and still the one that is to be deleted."""
        if deletion.etag is None:
            return True
        found = self.head(deletion.bucket, deletion.key)
        return found is not None and found.etag == deletion.etag

    def _delete_batch(self, bucket: str, keys: Sequence[str]) -> Iterator[tuple[str, str | None]]:
        """Delete keys, and yield each with the store's code where it refuses to, and `None` where it is gone.

        A request that the store refuses as a whole is divided until the culprit is alone. Raises `TransientError`.
        """
        refusal: ClientError | None = None
        answer: DeleteObjectsOutputTypeDef | None = None
        with self._translated("delete", keys[0], bucket):
            try:
                answer = self._md5.send("DeleteObjects", lambda: self._delete_objects(bucket, keys))
            except ClientError as error:
                is_unknown = status_of(error) in NO_SUCH_CALL and error_code(error) != "NoSuchBucket"
                if not (is_unknown or _is_refused(error) or error_code(error) in FORBIDDEN):
                    raise
                refusal = error
        if refusal is None:
            yield from self._answered(keys, answer or {})
        elif status_of(refusal) in NO_SUCH_CALL:
            for key in keys:
                yield key, self._delete_one(bucket, key)
        elif error_code(refusal) in FORBIDDEN:
            for key in keys:
                yield key, error_code(refusal)
        elif len(keys) == 1:
            yield keys[0], self._delete_one(bucket, keys[0])
        else:
            middle = len(keys) // 2
            yield from self._delete_batch(bucket, keys[:middle])
            yield from self._delete_batch(bucket, keys[middle:])

    def _delete_objects(self, bucket: str, keys: Sequence[str]) -> DeleteObjectsOutputTypeDef:
        # Not "Quiet": then an answer that is none, such as the page of a proxy, would say that everything is deleted.
        return self._client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})

    @staticmethod
    def _answered(keys: Sequence[str], answer: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        """What an answer says of each key. Raises `TransientError` for what it does not name, or may take later."""
        said: dict[str, str | None] = {}
        for item in answer.get("Deleted", []):
            said[_named(item, keys)] = None
        for error in answer.get("Errors", []):
            code = str(error.get("Code", "unknown"))
            said[_named(error, keys)] = None if code in GONE else code
        for key in keys:
            if key in said and said[key] not in PASSING:
                yield key, said[key]
        for key in keys:
            if key not in said or said[key] in PASSING:
                why = said.get(key) or "the answer does not name it"
                raise TransientError("storage_unavailable", f"delete of {key}: {why}")

    def _delete_one(self, bucket: str, key: str) -> str | None:
        """Delete by the key in the address, which may hold what XML cannot carry; returns the store's refusal."""
        with suppress(StagedFileError), self._translated("delete", key, bucket):
            try:
                self._client.delete_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error_code(error) in FORBIDDEN or _is_refused(error):
                    return error_code(error)
                raise
        return None

    def presign_post(
        self, key: ObjectKey, *, size: int, content_type: str, expires_seconds: int
    ) -> tuple[str, dict[str, str]]:
        """A POST that may create this key only, of exactly `size` bytes and this type; returns (url, fields)."""
        answer = self._presigner.generate_presigned_post(
            Bucket=self.uploads_bucket,
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=expires_seconds,
        )
        return answer["url"], answer["fields"]

    def presign_put(self, key: ObjectKey, *, size: int, content_type: str, expires_seconds: int) -> str:
        """A PUT that may write this key only, of exactly `size` bytes and this type: both headers are signed."""
        return self._presigner.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self.uploads_bucket,
                "Key": key,
                "ContentLength": size,
                "ContentType": content_type,
            },
            ExpiresIn=expires_seconds,
            HttpMethod="PUT",
        )

    def presign_get(self, key: ObjectKey, *, expires_seconds: int, bucket: str | None = None) -> str:
        """A GET of one object, of the library by default, as browsers reach it."""
        return self._presigner.generate_presigned_url(
            "get_object", Params={"Bucket": bucket or self.library_bucket, "Key": key}, ExpiresIn=expires_seconds
        )

    def reachable(self) -> None:
        """Ask for both buckets. Raises `MissingBucket`, `TransientError` where the store does not answer."""
        for bucket in (self.uploads_bucket, self.library_bucket):
            self._check_bucket(bucket)

    def _check_bucket(self, bucket: str) -> None:
        """Raise `MissingBucket` where the bucket is not there, `TransientError` where the store does not answer."""
        with translated("reach", bucket):
            try:
                self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if error_code(error) not in NO_BUCKET:
                    raise
                raise MissingBucket(bucket) from error

    @contextmanager
    def _translated(self, action: str, key: str, *buckets: str) -> Iterator[None]:
        """As `translated`, and looks for the buckets before an object counts as gone. Raises `MissingBucket` as well.

        Each time, for a bucket that was there may be deleted at any time; such answers are rare.
        """
        try:
            with translated(action, key):
                yield
        except (StagedFileError, TransientError) as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and error_code(cause) in NO_BUCKET:
                for bucket in buckets:
                    self._check_bucket(bucket)
            raise

    @property
    def wants_content_md5(self) -> list[str]:
        """The calls of which this store was found to demand Content-MD5."""
        return sorted(self._md5.wanted)

    def is_versioned(self, bucket: str) -> bool:
        """Whether the bucket keeps what is deleted as former versions. A store that cannot tell does not."""
        try:
            with translated("look up versioning of", bucket):
                return self._client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
        except (StagedFileError, TransientError):
            return False

    def locks_objects(self, bucket: str) -> bool:
        """Whether the bucket has Object Lock. A store that cannot tell has not."""
        try:
            with translated("look up locks of", bucket):
                answer = self._client.get_object_lock_configuration(Bucket=bucket)
                return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        except (StagedFileError, TransientError):
            return False

    def create_buckets(self) -> None:
        """Create what is missing of the two buckets."""
        for bucket in (self.uploads_bucket, self.library_bucket):
            with translated("create bucket", bucket):
                # Not HEAD, whose answers have no body to say what is wrong.
                try:
                    _check_listing(bucket, self._client.list_objects_v2(Bucket=bucket, MaxKeys=1))
                except ClientError as error:
                    if error_code(error) not in NO_BUCKET:
                        raise
                    self._create_bucket(bucket)

    def _create_bucket(self, bucket: str) -> None:
        try:
            self._client.create_bucket(Bucket=bucket, **_location(self.region))
        except ClientError as error:
            code = error_code(error)
            if code == "BucketAlreadyOwnedByYou":
                return
            if code in ("BucketAlreadyExists", "InvalidBucketName"):
                raise ConfigurationError(f"bucket {bucket} cannot be created: storage answered {code}") from error
            if code not in NO_SUCH_REGION:
                raise
            # Stores that know no regions get the one of the shell as well, which was set for AWS.
            try:
                self._client.create_bucket(Bucket=bucket)
            except ClientError:
                raise ConfigurationError(
                    f"bucket {bucket} cannot be created: the store does not know the region {self.region!r}, which "
                    "AWS_DEFAULT_REGION or the AWS configuration names"
                ) from error


def s3_client(settings: Settings, endpoint: str | None) -> S3Client:
    sign_posts_in_utf8()
    try:
        session = get_session()
        session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
        return boto3.Session(botocore_session=session).client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": CALLS},
                # Every stage has its own threads, at most this many each.
                max_pool_connections=4 * settings.connections,
                signature_version="s3v4",
                # With "auto", links would name no region: a young bucket redirects them, which browsers may not follow.
                s3={"addressing_style": "path" if endpoint else "virtual"},
                # Trailing checksums are news to many S3 servers; TLS and Content-Length guard the transfer.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"cannot set up S3: {error}") from error


@cache
def _descriptions(data_path: str | None) -> Loader:
    """botocore's description of S3: 6 MB once read, which every session would keep for itself."""
    loader = create_loader(data_path)
    # Where each of AWS's services is would be as much again. Read once, and what is read is kept.
    for partition in loader.load_data("endpoints")["partitions"]:
        partition["services"] = {name: at for name, at in partition["services"].items() if name in _AWS_SERVICES}
    return loader


@contextmanager
def translated(action: str, key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in GONE:
            raise StagedFileError("missing_object", f"{action}: {key} is not in storage") from error
        if code in CHANGED:
            raise _overwritten(action, key) from error
        hint = HINTS.get(code)
        said = f"{action} of {key}: storage answered {code}" + (f": {hint}" if hint else "")
        raise TransientError("storage_unavailable", said) from error
    except (BotoCoreError, HTTPClientError, HTTPError, ResponseParserError) as error:
        # The type alone: botocore's messages carry signed addresses.
        raise TransientError("storage_unavailable", f"{action} of {key}: {type(error).__name__}") from error
    except KeyError as error:
        raise TransientError("storage_unavailable", f"{action} of {key}: the answer has no {error.args[0]}") from error
    except RecursionError as error:
        # botocore follows a redirect that leads back to itself.
        raise TransientError("storage_unavailable", f"{action} of {key}: storage redirects without end") from error


def _overwritten(action: str, key: str) -> StagedFileError:
    return StagedFileError("changed_during_ingest", f"{action}: {key} was overwritten while it was being ingested")


def error_code(error: ClientError) -> str:
    """S3's code; the HTTP status of an answer that has none, as of something between here and the store."""
    return str(error.response.get("Error", {}).get("Code") or status_of(error))


def _refusal(error: TransientError) -> str | None:
    """The store's code, where it does not let us do this, and will not the next time."""
    cause = error.__cause__
    if isinstance(cause, ClientError) and (code := error_code(cause)) in FORBIDDEN | {"403"}:
        return code
    return None


def _named(item: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The key that an answer speaks of; some stores encode it as in an address."""
    key = str(item.get("Key", ""))
    return key if key in keys else unquote(key)


def _is_refused(error: ClientError) -> bool:
    """Whether the store refuses the request as it is, so that the same one will be refused again."""
    return status_of(error) in REFUSALS and error_code(error) not in PASSING


def _check_listing(bucket: str, answer: Mapping[str, Any]) -> None:
    """Raise `TransientError` for what is no listing, such as the page of a proxy: it would show an empty bucket."""
    if "IsTruncated" not in answer:
        raise TransientError("storage_unavailable", f"list of {bucket}: the answer is no listing of a bucket")


def _quoted(etag: str) -> str:
    return f'"{etag}"'


def _location(region: str) -> dict[str, Any]:
    # us-east-1 is the one region that must not be named.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
