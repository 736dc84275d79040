"""A client of the gallery API, which sends files as a browser does.

The API key goes to the API only; the files go straight to S3 with the presigned requests it hands out.
Every call here may be repeated safely (presign by its Idempotency-Key), so that lost connections and 5xx
answers are retried with backoff before they become an error.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import TypeAdapter, ValidationError

from gallery.client.errors import SendRefusedError, UnreachableError, error_of, one_line, s3_refusal
from gallery.client.types import (
    DeclaredFile,
    FileInQuestion,
    PresignedRequest,
    PresignedUpload,
    ReportedComparison,
    ReportedDecision,
    ReportedLimits,
    ReportedStatus,
    ReportedVersion,
)
from gallery.errors import ConfigurationError, GalleryError, NotFoundError
from gallery.models import Choice

# Seconds; presign answers for a whole gallery at once, and an S3 answers only after it has stored the file.
TIMEOUT = httpx.Timeout(60, connect=10)
# Seconds before each repetition; together longer than a restart of the API takes.
BACKOFF = (0.25, 0.5, 1.0, 2.0, 4.0)
# While an upload is followed: everything is sent, and the API may be away for two minutes.
LONG_BACKOFF = (*BACKOFF, *[5.0] * 30)
LONGEST_PAUSE = 30.0
POLL_SECONDS = 0.5
CONNECTIONS = 32
# A proxy of the surroundings cannot reach this machine's own loopback addresses.
NO_PROXY: Mapping[str, None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Compared:
    files: tuple[ReportedComparison, ...]


@dataclass(frozen=True, slots=True)
class _Versions:
    versions: tuple[ReportedVersion, ...]


@dataclass(frozen=True, slots=True)
class _Decided:
    files: tuple[ReportedDecision, ...]


class GalleryClient:
    """The HTTP API at `api_url`, as the holder of `api_key`. Safe to share between threads.

    Every method raises `NotFoundError`, `ConflictError`, `RefusedRequest` (`RefusedFilesError`, a kind of it, names
    the files of the request that are at fault), `ConfigurationError` (the key)
    or plain `GalleryError` with one line for a person, and `UnreachableError` where nothing answers.
    `pause` is called with the seconds to wait between attempts.
    """

    def __init__(self, api_url: str, api_key: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", api_url):
            raise ConfigurationError(f"{api_url!r} is no address of a gallery API: like http://127.0.0.1:8000")
        self.api_url = api_url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._pause = pause
        self._reached = False
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._http = httpx.Client(timeout=TIMEOUT, limits=limits, mounts=NO_PROXY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def limits(self) -> ReportedLimits:
        """Which files the API refuses, and how many it takes in one request."""
        return self._call(ReportedLimits, "GET", "/v1/limits")

    def compare(self, gallery_id: str, files: Iterable[FileInQuestion]) -> tuple[ReportedComparison, ...]:
        """What sending these files would do, in their order; at most `limits().max_files` of them.

        Changes nothing. Raises `NotFoundError` where the API is of a release that cannot compare.
        """
        questions = list(files)
        body = {"files": [_without_none(file) for file in questions]}
        answers = self._call(_Compared, "POST", f"/v1/galleries/{gallery_id}/compare", json=body).files
        if [answer.file_name for answer in answers] != [question.file_name for question in questions]:
            raise GalleryError(f"the gallery API at {self.api_url} did not answer for each file that was compared")
        return answers

    def current_version(self, gallery_id: str, image_id: UUID) -> ReportedVersion | None:
        """The version of an image that the gallery shows; `None` where it is deleted, and from an older API."""
        path = f"/v1/galleries/{gallery_id}/images/{image_id}/versions"
        try:
            versions = self._call(_Versions, "GET", path).versions
        except NotFoundError:
            return None
        return next((version for version in versions if version.is_current), None)

    def presign(self, gallery_id: str, files: Iterable[DeclaredFile], idempotency_key: str) -> PresignedUpload:
        """Open an upload; the same `idempotency_key` again gives the same upload."""
        return self._call(
            PresignedUpload,
            "POST",
            f"/v1/galleries/{gallery_id}/uploads",
            json={"files": [_without_none(file) for file in files]},
            headers={"Idempotency-Key": idempotency_key},
        )

    def sign(self, upload_id: str) -> PresignedUpload:
        """Fresh requests for the files that have not arrived yet, and for those only."""
        return self._call(PresignedUpload, "POST", f"/v1/uploads/{upload_id}/sign")

    def complete(self, upload_id: str) -> None:
        """Say that all is sent: from here on the gallery is ingested, whatever happens to this process."""
        self._call(dict[str, Any], "POST", f"/v1/uploads/{upload_id}/complete")

    def retry(self, upload_id: str) -> None:
        """Run an ended upload again; raises `ConflictError` while it is under way."""
        self._call(dict[str, Any], "POST", f"/v1/uploads/{upload_id}/retry")

    def decide(
        self, upload_id: str, choices: Mapping[str, Choice], *, rest: Choice | None = None
    ) -> tuple[ReportedDecision, ...]:
        """Settle entries that were rejected as `would_replace`, by name; `rest` is for those that are not named.

        The upload runs again for them, from what was sent. Raises `ConflictError` while it is under way, and where an
        entry waits for no decision.
        """
        files = [{"file_name": name, "choice": choice} for name, choice in choices.items()]
        body = {**({"files": files} if files else {}), **({"choice": rest} if rest else {})}
        return self._call(_Decided, "POST", f"/v1/uploads/{upload_id}/decide", json=body).files

    def status(self, upload_id: str) -> ReportedStatus:
        """How far the upload is."""
        return self._status(upload_id, BACKOFF)

    def _status(self, upload_id: str, backoff: Sequence[float]) -> ReportedStatus:
        return self._call(ReportedStatus, "GET", f"/v1/uploads/{upload_id}", backoff=backoff)

    def wait(
        self, upload_id: str, on_change: Callable[[ReportedStatus], None], timeout: float | None = None
    ) -> ReportedStatus:
        """Follow an upload until its state is final; `on_change` gets every status that differs.

        `timeout` is in seconds, `None` waits without end. Raises `GalleryError` when it has passed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        last: ReportedStatus | None = None
        while True:
            status = self._status(upload_id, LONG_BACKOFF)
            if status != last:
                on_change(status)
                last = status
            if status.is_final:
                return status
            if deadline is not None and time.monotonic() >= deadline:
                where = status.flow_run_url or f"{self.api_url}/v1/uploads/{upload_id}"
                raise GalleryError(
                    f"upload {upload_id} is still {status.state} after {timeout:g} s; it goes on: see {where}"
                )
            self._pause(POLL_SECONDS)

    def send(self, presigned: PresignedRequest, path: Path) -> None:
        """Store the file at `path` with its presigned request, in constant memory.

        Raises `SendRefusedError` where S3 does not take it, `UnreachableError`, and `GalleryError` where the
        file cannot be read.
        """
        # Without its query: that is a credential.
        where = f"S3 at {httpx.URL(presigned.url).copy_with(path='/', query=None, fragment=None)}"
        response = self._repeat(lambda: self._send_once(presigned, path), where)
        if not response.is_success:
            raise SendRefusedError(response.status_code, f"{presigned.file_name}: {s3_refusal(response)}")

    def _send_once(self, presigned: PresignedRequest, path: Path) -> httpx.Response:
        headers = dict(presigned.headers or {})
        try:
            # Opened anew for every attempt, which must begin at the first byte.
            with path.open("rb") as file:
                if presigned.method == "PUT":
                    return self._http.put(presigned.url, content=file, headers=headers)
                # S3 ignores every field that comes after the file; httpx writes `data` first, in order.
                fields = dict(presigned.fields or {})
                part = (path.name, file, fields.get("Content-Type", "application/octet-stream"))
                return self._http.post(presigned.url, data=fields, files={"file": part}, headers=headers)
        except OSError as error:
            raise GalleryError(f"cannot read {path}: {error.strerror or error}") from error

    def _call(
        self,
        answer: type[Answer],
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        backoff: Sequence[float] = BACKOFF,
    ) -> Answer:
        where = f"the gallery API at {self.api_url}"
        all_headers = {**self._authorization, **(headers or {})}
        try:
            response = self._repeat(
                lambda: self._http.request(method, self.api_url + path, json=json, headers=all_headers),
                where,
                backoff,
                # Before its first answer it most likely does not run at all: say so at once.
                retry_refused_connections=self._reached,
            )
        except UnreachableError as error:
            if isinstance(error.__cause__, httpx.ConnectError):
                raise UnreachableError(f"cannot reach {where}: start it with `gallery up`") from error
            raise
        self._reached = True
        if not response.is_success:
            raise error_of(response, where)
        try:
            return TypeAdapter(answer).validate_json(response.content)
        except ValidationError as error:
            raise GalleryError(
                f"{where} answered {method} {path} with something else than a gallery API does"
            ) from error

    def _repeat(
        self,
        request: Callable[[], httpx.Response],
        where: str,
        pauses: Sequence[float] = BACKOFF,
        *,
        retry_refused_connections: bool = True,
    ) -> httpx.Response:
        """The first answer that is neither a lost connection nor an overload, or else the last one."""
        for pause in (*pauses, None):
            response = None
            try:
                response = request()
            except httpx.TransportError as error:
                refused = isinstance(error, httpx.ConnectError)
                if pause is None or (refused and not retry_refused_connections):
                    cause = str(error) or type(error).__name__
                    raise UnreachableError(f"{where} does not answer: {one_line(cause)}") from error
            else:
                if pause is None or not _worth_repeating(response):
                    return response
            longer = _retry_after(response) if response is not None else 0.0
            # Jitter, so that parallel senders do not come back all at once.
            self._pause(max(pause, longer) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        raise AssertionError("unreachable: the last round returns or raises")


def _without_none(file: DeclaredFile | FileInQuestion) -> dict[str, Any]:
    """A file as JSON; what is `None` is left out: an API of an older release refuses fields that it does not know."""
    return {name: value for name, value in asdict(file).items() if value is not None}


def _worth_repeating(response: httpx.Response) -> bool:
    if response.status_code in (408, 429) or response.status_code >= 500:
        return True
    # S3 says so with a 400 where a slow line paused for too long.
    return response.status_code == 400 and b"<Code>RequestTimeout<" in response.content


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait; it may also give a date, which is as good as nothing here."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE) if value.isascii() and value.isdigit() else 0.0
