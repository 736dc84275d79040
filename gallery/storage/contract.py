"""What the project demands of a store: what it must do, and above all what it must refuse.

A store that ignores a condition loses photographs or shows them to strangers without a word. So `gallery check` and
the tests try every demand, each under the name of its condition. What is written lies below `CHECK_PREFIX`, where no
gallery can be, and is deleted again.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
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
        """What the stages, the API and the sweep do with objects."""
        uploads, library = self.storage.uploads_bucket, self.storage.library_bucket
        yield Demand(f"uploads bucket {uploads}: list, write, read, delete", self._uploads)
        yield Demand(f"library bucket {library}: copy, write, read, delete", self._library)

    def refusals(self) -> Iterator[Demand]:
        """What has to fail, for no photograph to be lost, mixed up or seen by strangers."""
        yield Demand("If-Match: a download refuses an object that has changed", self._stale_download)
        yield Demand("x-amz-copy-source-if-match: a copy refuses an object that has changed", self._stale_copy)
        yield Demand("signature: a request without one is refused", self._unsigned)
        if self._presign_method == "put":
            yield Demand("presigned PUT: the file as declared is accepted", lambda: self._put(accepted=True))
            yield Demand("presigned PUT: another size is refused", lambda: self._put(content=CONTENT + b"!"))
            yield Demand("presigned PUT: another key is refused", lambda: self._put(other_key=True))
            yield Demand("presigned PUT: another type is refused", lambda: self._put(content_type=OTHER_TYPE))
        else:
            yield Demand("presigned POST: the file as declared is accepted", lambda: self._post(accepted=True))
            yield Demand("presigned POST: a larger file is refused", lambda: self._post(content=CONTENT + b"!"))
            yield Demand("presigned POST: a smaller file is refused", lambda: self._post(content=CONTENT[:-1]))
            yield Demand("presigned POST: another key is refused", lambda: self._post(other_key=True))
            yield Demand("presigned POST: another type is refused", lambda: self._post(content_type=OTHER_TYPE))
            yield Demand("presigned POST: an expired one is refused", lambda: self._post(expires_seconds=-HOUR))

    def _uploads(self) -> None:
        with self._keys(1) as (key,):
            list(self.storage.list_staged(CHECK_PREFIX))
            etag = self._stage(key)
            self.storage.download(key, etag, self._back)
            self._back.unlink()
        self._gone(self.storage.uploads_bucket, key)

    def _library(self) -> None:
        with self._keys(2) as (key, copy):
            self.storage.copy_original(key, self._stage(key), copy, TYPE)
            self.storage.write_bytes(key, CONTENT)
            self.storage.read_bytes(key)
        self._gone(self.storage.library_bucket, key, copy)

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

    def _unsigned(self) -> None:
        with self._keys(2) as (key, new):
            self._stage(key)
            self.storage.write_bytes(key, CONTENT)
            read_library = self.storage.presign_get(key, expires_seconds=HOUR)
            staged, created = (
                self.storage.presign_put(each, size=len(CONTENT), content_type=TYPE, expires_seconds=HOUR)
                for each in (key, new)
            )
            self._refused(self._send("GET", _unsigned(read_library)), "reading the library bucket")
            self._refused(self._send("GET", _unsigned(staged)), "reading the uploads bucket")
            self._refused(self._send("PUT", _unsigned(created), content=CONTENT), "writing the uploads bucket")

    def _post(
        self,
        *,
        content: bytes = CONTENT,
        content_type: str = TYPE,
        other_key: bool = False,
        expires_seconds: int = HOUR,
        accepted: bool = False,
    ) -> None:
        with self._keys(2) as (key, other):
            url, fields = self.storage.presign_post(
                key, size=len(CONTENT), content_type=TYPE, expires_seconds=expires_seconds
            )
            fields |= {"Content-Type": content_type, "key": other if other_key else key}
            answer = self._send("POST", url, data=fields, files={"file": content})
            self._judge(answer, accepted=accepted)

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
            self._judge(answer, accepted=accepted)

    def _judge(self, answer: httpx.Response, *, accepted: bool) -> None:
        if not accepted:
            self._refused(answer, "the file")
        elif not answer.is_success:
            raise ConfigurationError(f"the store answered {answer.status_code} to a file as it was declared")

    @staticmethod
    def _refused(answer: httpx.Response, what: str) -> None:
        if answer.is_success:
            raise ConfigurationError(f"the store let {what} pass, with status {answer.status_code}")
        if not answer.is_client_error:
            raise TransientError("storage_unavailable", f"the store answered {answer.status_code}, not with a refusal")

    def _send(self, method: str, url: str, **parts: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **parts)
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
        self.storage.delete([Deletion(None, bucket, key) for bucket in buckets for key in keys])

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
    return url.partition("?")[0]
