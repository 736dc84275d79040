"""The demands on a store: what it must do, and above all what it must refuse.

A store that ignores a condition loses photographs or shows them to strangers without a word. So `gallery check` and
the tests try every demand, each under the name of its condition. What is written lies below `CHECK_PREFIX`, where no
gallery can be, and is deleted again.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import get_session

from gallery.errors import ConfigurationError, GalleryError, StagedFileError, TransientError
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.keys import CHECK_PREFIX, check_key
from gallery.storage.s3 import CONNECT_TIMEOUT, READ_TIMEOUT, Storage

CONTENT = b"a trial of the store"
TYPE = "image/jpeg"
OTHER_TYPE = "text/html"
# No content has it: MD5 of something else, and no multipart ETag either.
STALE = "0" * 32
HOUR = 3600
LISTING = "list-type=2"
OTHER_SIGNATURE = "0" * 64
LONGEST_ANSWER = 64 * 1024  # bytes
# Seconds by which the store's clock may be behind ours, or its answers late.
EXPIRES_WITHIN = 20


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a store must do or refuse. `attempt` raises a `GalleryError` where it does not."""

    name: str
    attempt: Callable[[], None]


class StoreContract:
    """The demands on the two buckets of `storage`, by what they need: permissions, then refusals.

    Refusals mean nothing in buckets without permissions, which refuse all. Close it after use. Raises
    `ConfigurationError` where S3 cannot be set up from these settings.
    """

    def __init__(self, settings: Settings) -> None:
        verify = _authority()
        # A link names its host and is good for that alone; this machine reaches the store by its own endpoint.
        self.storage = Storage(settings.model_copy(update={"s3_public_endpoint_url": None}))
        self._presign_method = settings.presign_method
        self._folder = TemporaryDirectory()
        self._file = Path(self._folder.name) / "trial"
        self._file.write_bytes(CONTENT)
        self._http = httpx.Client(verify=verify, timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT))

    def close(self) -> None:
        """Close the connections and remove the trial's file."""
        self._http.close()
        self.storage.close()
        self._folder.cleanup()

    def permissions(self) -> Iterator[Demand]:
        """Everything that the stages, the API and the sweep do with objects."""
        uploads, library = self.storage.uploads_bucket, self.storage.library_bucket
        yield Demand(f"uploads bucket {uploads}: list, write, read, delete", self._uploads)
        yield Demand(f"library bucket {library}: copy, write, read, delete", self._library)

    def refusals(self) -> Iterator[Demand]:
        """Conditions that keep photographs from being lost, mixed up or shown to strangers; and what has to pass."""
        yield Demand("If-Match: a download refuses an object that has changed", self._stale_download)
        yield Demand("x-amz-copy-source-if-match: a copy refuses an object that has changed", self._stale_copy)
        yield Demand("signature: a request without one is refused", self._unsigned)
        yield Demand("signature: a request signed with another secret is refused", self._wrong_secret)
        yield Demand("presigned GET: the link shows the file as it was saved", self._get)
        yield Demand("presigned GET: an expired link is refused", self._expired_get)
        if self._presign_method == "put":
            yield Demand("presigned PUT: the file as declared is accepted", lambda: self._put(accepted=True))
            yield Demand("presigned PUT: another size is refused", lambda: self._put(content=CONTENT + b"!"))
            yield Demand("presigned PUT: another key is refused", lambda: self._put(other_key=True))
            yield Demand("presigned PUT: another type is refused", lambda: self._put(content_type=OTHER_TYPE))
            yield Demand("presigned PUT: an expired one is refused", self._expired_put)
        else:
            yield Demand("presigned POST: the file as declared is accepted", lambda: self._post(accepted=True))
            yield Demand("presigned POST: a larger file is refused", lambda: self._post(content=CONTENT + b"!"))
            yield Demand("presigned POST: a smaller file is refused", lambda: self._post(content=CONTENT[:-1]))
            yield Demand("presigned POST: another key is refused", lambda: self._post(other_key=True))
            yield Demand("presigned POST: another type is refused", lambda: self._post(content_type=OTHER_TYPE))
            yield Demand("presigned POST: an expired one is refused", lambda: self._post(expires_seconds=-HOUR))
            yield Demand("presigned POST: a policy signed otherwise is refused", lambda: self._post(forged=True))

    def reminders(self) -> Iterator[str]:
        """Sentences about settings of the buckets that are no fault, but have consequences."""
        for bucket in (self.storage.uploads_bucket, self.storage.library_bucket):
            if self.storage.is_versioned(bucket):
                yield (
                    f"versioning is on in {bucket}: what is deleted stays there as a former version, and is paid for, "
                    "until a lifecycle rule of yours deletes former versions"
                )
            if self.storage.locks_objects(bucket):
                yield (
                    f"{bucket} has Object Lock: what is deleted stays there as a former version, at least until its "
                    "retention ends; what the store refuses to delete is counted by `gallery_outbox_refused`"
                )
        if wanted := self.storage.wants_content_md5:
            yield f"this store demands Content-MD5 with {', '.join(wanted)}: it is sent"

    def _uploads(self) -> None:
        bucket = self.storage.uploads_bucket
        with self._keys(1) as (key,):
            etag = self._stage(key)
            listed = {found.key: (found.etag, found.size) for found in self.storage.list_staged(CHECK_PREFIX)}
            if listed.get(key) != (etag, len(CONTENT)):
                raise ConfigurationError(f"{bucket}: a listing does not show what was just written, as it was written")
            self._holds(bucket, key, etag)
            sha256 = self.storage.download(key, etag, self._back)
            self._back.unlink()
            if sha256 != hashlib.sha256(CONTENT).hexdigest():
                raise ConfigurationError(f"{bucket}: what is read is not what was written")
        self._gone(bucket, key)

    def _library(self) -> None:
        bucket = self.storage.library_bucket
        with self._keys(2) as (key, copy):
            etag = self._stage(key)
            self.storage.copy_original(key, etag, copy, TYPE)
            self._holds(self.storage.uploads_bucket, key, etag)
            self.storage.write_bytes(key, CONTENT)
            if not self.storage.read_bytes(key) == self.storage.read_bytes(copy) == CONTENT:
                raise ConfigurationError(f"{bucket}: what is read is not what was written or copied")
        self._gone(bucket, key, copy)

    def _holds(self, bucket: str, key: ObjectKey, etag: str | None = None) -> None:
        found = self.storage.head(bucket, key)
        if found is None or found.size != len(CONTENT) or etag not in (None, found.etag):
            raise ConfigurationError(f"{bucket}: what was written is not there as it was written: {key}")

    def _stale_download(self) -> None:
        with self._keys(1) as (key,):
            self._stage(key)
            with _refuses_the_changed("another object was downloaded than the one that was pinned"):
                self.storage.download(key, STALE, self._back)
            self._back.unlink(missing_ok=True)

    def _stale_copy(self) -> None:
        with self._keys(2) as (key, copy):
            self._stage(key)
            with _refuses_the_changed("another object was copied than the one that was processed"):
                self.storage.copy_original(key, STALE, copy, TYPE)
            self._is_absent(self.storage.library_bucket, copy)

    def _unsigned(self) -> None:
        self._refuses_all(lambda method, url: self._send(method, _unsigned(url), content=_body(method)))

    def _wrong_secret(self) -> None:
        self._refuses_all(lambda method, url: self._send(method, _forged(url), content=_body(method)))
        self._refuses_all(self._send_with_another_secret)

    def _refuses_all(self, send: Callable[[str, str], httpx.Response]) -> None:
        """Whatever `send` does with a method and a presigned link to an object is refused, and has no effect."""
        with self._keys(2) as (key, new):
            self._stage(key)
            self.storage.write_bytes(key, CONTENT)
            for bucket in (self.storage.uploads_bucket, self.storage.library_bucket):
                there = self.storage.presign_get(key, expires_seconds=HOUR, bucket=bucket)
                absent = self.storage.presign_get(new, expires_seconds=HOUR, bucket=bucket)
                self._refused(send("GET", there), f"reading {bucket}")
                self._refused(send("GET", _listing(there, key)), f"listing {bucket}")
                self._refused(send("PUT", absent), f"writing to {bucket}")
                self._is_absent(bucket, new)
                self._refused(send("DELETE", there), f"deleting from {bucket}")
                self._holds(bucket, key)

    def _send_with_another_secret(self, method: str, url: str) -> httpx.Response:
        """A request whose header is signed with the right access key and another secret."""
        credentials = get_session().get_credentials()
        known = credentials.get_frozen_credentials() if credentials else None
        if known is None or known.access_key is None:
            raise ConfigurationError("there are no credentials for S3")
        request = AWSRequest(method, _unsigned(url), data=_body(method))
        S3SigV4Auth(Credentials(known.access_key, "another-secret", known.token), "s3", self.storage.region).add_auth(
            request
        )
        return self._send(method, _unsigned(url), headers=dict(request.headers.items()), content=_body(method))

    def _get(self) -> None:
        with self._keys(2) as (key, copy):
            self.storage.copy_original(key, self._stage(key), copy, TYPE)
            answer = self._send("GET", self.storage.presign_get(copy, expires_seconds=HOUR))
            if (answer.status_code, answer.content, answer.headers.get("content-type")) != (200, CONTENT, TYPE):
                raise ConfigurationError(
                    f"a link to a copied file of type {TYPE} was answered with {answer.status_code}, "
                    f"{len(answer.content)} bytes of type {answer.headers.get('content-type')}"
                )

    def _expired_get(self) -> None:
        with self._keys(1) as (key,):
            self.storage.write_bytes(key, CONTENT)
            url = self.storage.presign_get(key, expires_seconds=1)
            self._refused_in_time(lambda: self._send("GET", url), "reading by an expired link")

    def _expired_put(self) -> None:
        with self._keys(1) as (key,):
            url = self.storage.presign_put(key, size=len(CONTENT), content_type=TYPE, expires_seconds=1)
            self._refused_in_time(
                lambda: self._send("PUT", url, content=CONTENT, headers={"Content-Type": TYPE}),
                "writing by an expired request",
            )

    def _refused_in_time(self, send: Callable[[], httpx.Response], what: str) -> None:
        """Wait until a link of one second has expired, by the store's clock, which may be behind ours."""
        end = time.monotonic() + EXPIRES_WITHIN
        time.sleep(1)
        while (answer := send()).is_success and time.monotonic() < end:
            time.sleep(1)
        self._refused(answer, what)

    def _post(
        self,
        *,
        content: bytes = CONTENT,
        content_type: str = TYPE,
        other_key: bool = False,
        expires_seconds: int = HOUR,
        forged: bool = False,
        accepted: bool = False,
    ) -> None:
        with self._keys(2) as (key, other):
            url, fields = self.storage.presign_post(
                key, size=len(CONTENT), content_type=TYPE, expires_seconds=expires_seconds
            )
            fields |= {"Content-Type": content_type, "key": other if other_key else key}
            if forged:
                fields["x-amz-signature"] = OTHER_SIGNATURE
            answer = self._send("POST", url, data=fields, files={"file": content})
            self._judge(answer, key, other, accepted=accepted)

    def _put(
        self,
        *,
        content: bytes = CONTENT,
        content_type: str = TYPE,
        other_key: bool = False,
        accepted: bool = False,
    ) -> None:
        with self._keys(2) as (key, other):
            url = self.storage.presign_put(key, size=len(CONTENT), content_type=TYPE, expires_seconds=HOUR)
            if other_key:
                url = url.replace(key, other)
            answer = self._send("PUT", url, content=content, headers={"Content-Type": content_type})
            self._judge(answer, key, other, accepted=accepted)

    def _judge(self, answer: httpx.Response, key: ObjectKey, other: ObjectKey, *, accepted: bool) -> None:
        bucket = self.storage.uploads_bucket
        if accepted:
            if not answer.is_success:
                raise ConfigurationError(f"the store answered {answer.status_code} to a file as it was declared")
            self._holds(bucket, key)
            return
        self._refused(answer, "the file")
        self._is_absent(bucket, key, other)

    def _is_absent(self, bucket: str, *keys: ObjectKey) -> None:
        if any(self.storage.head(bucket, key) is not None for key in keys):
            raise ConfigurationError(f"{bucket}: the store refused, and wrote all the same")

    @staticmethod
    def _refused(answer: httpx.Response, what: str) -> None:
        if answer.is_success:
            raise ConfigurationError(f"the store let {what} pass, with status {answer.status_code}")
        if not answer.is_client_error:
            raise TransientError("storage_unavailable", f"the store answered {answer.status_code}, not with a refusal")

    def _send(self, method: str, url: str, **parts: Any) -> httpx.Response:
        try:
            with self._http.stream(method, url, **parts) as answer:
                body = b""
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > LONGEST_ANSWER:
                        raise TransientError("storage_unavailable", f"the answer to {method} is without end")
                return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=body)
        except httpx.HTTPError as error:
            # The type alone: messages carry signed addresses.
            raise TransientError("storage_unavailable", f"{method} to the store: {type(error).__name__}") from error

    @property
    def _back(self) -> Path:
        return self._file.with_name("back")

    def _stage(self, key: ObjectKey) -> str:
        return self.storage.put(key, self._file, TYPE, bucket=self.storage.uploads_bucket)

    @contextmanager
    def _keys(self, count: int) -> Iterator[list[ObjectKey]]:
        """Keys of the trial's own; whatever comes to be there is deleted, in both buckets."""
        keys = [check_key(uuid4().hex) for _ in range(count)]
        try:
            yield keys
        except BaseException:
            # What went wrong first is what is told.
            with suppress(GalleryError):
                self._delete(keys)
            raise
        self._delete(keys)

    def _delete(self, keys: list[ObjectKey]) -> None:
        buckets = (self.storage.uploads_bucket, self.storage.library_bucket)
        self.storage.delete([Deletion(None, bucket, key) for bucket in buckets for key in keys]).raise_left()

    def _gone(self, bucket: str, *keys: ObjectKey) -> None:
        left = [key for key in keys if self.storage.head(bucket, key) is not None]
        if left:
            raise ConfigurationError(f"{bucket}: what was deleted is still there: {left[0]}")


@contextmanager
def _refuses_the_changed(otherwise: str) -> Iterator[None]:
    try:
        yield
    except StagedFileError as error:
        if error.reason != "changed_during_ingest":
            raise
    else:
        raise ConfigurationError(f"the store ignored the condition: {otherwise}")


def _authority() -> ssl.SSLContext | bool:
    """The store's own certificate authority where boto3 was told of one; else those of httpx."""
    bundle = get_session().get_config_variable("ca_bundle")
    try:
        return ssl.create_default_context(cafile=bundle) if bundle else True
    except OSError as error:
        raise ConfigurationError(f"AWS_CA_BUNDLE: {bundle} has no certificates that can be read: {error}") from error


def _unsigned(url: str) -> str:
    """The link without what signs it; a listing's own parameter stays."""
    address, _, query = url.partition("?")
    return f"{address}?{LISTING}" if LISTING in query else address


def _forged(url: str) -> str:
    return re.sub("(?<=X-Amz-Signature=)[0-9a-f]+", OTHER_SIGNATURE, url)


def _listing(url: str, key: ObjectKey) -> str:
    """The link to an object, as one that lists its bucket; its signature is another one's."""
    address, _, query = url.partition("?")
    return f"{address.removesuffix(key)}?{LISTING}&{query}"


def _plain(headers: httpx.Headers) -> dict[str, str]:
    return {"content-type": headers.get("content-type", "")}


def _body(method: str) -> bytes | None:
    return CONTENT if method == "PUT" else None
