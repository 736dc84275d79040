"""What callers and ops do, from outside: through the API, signed webhooks, and Prefect's API as its UI calls it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from standardwebhooks.webhooks import Webhook

from gallery.local.info import StackInfo
from gallery.runs import INGEST_QUEUE, POOL
from tests.chaos.pictures import file_name, files_of
from tests.chaos.schedule import Step

# Seconds that a client tries to get an upload through, as the page and other programs do, before it gives up.
PATIENCE = 90.0
# The key of an object that nobody knows, and the sweep leaves alone.
KEPT = "kept"
ANSWER_SECONDS = 30.0


class Refused(Exception):
    """Raised where a step makes no sense at its moment, or nobody is there to answer."""


@dataclass(frozen=True)
class Sent:
    """An upload that was begun: what the schedule says of it, and its ids."""

    plan: Mapping[str, Any]
    gallery_id: str
    upload_id: str


@dataclass(frozen=True)
class Removal:
    """A deletion that was asked for; `file_name` is None for a whole gallery. `is_answered`: with success."""

    gallery_id: str
    file_name: str | None
    asked_at: datetime
    is_answered: bool


@dataclass
class Book:
    """What was asked for, and what was answered: what the product is held to."""

    sent: dict[int, Sent] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    """Uploads for which the API has answered 202."""
    cancelled: set[str] = field(default_factory=set)
    """Uploads that somebody asked to cancel, whatever was answered."""
    removals: list[Removal] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def gallery_of(index: int) -> str:
    """The id of a gallery that the schedule names by its index."""
    return f"gallery-{index:03}"


class Actions:
    """Does the actions of a schedule; safe to use from many threads."""

    def __init__(self, info: StackInfo, book: Book) -> None:
        self._info, self._book = info, book
        self.stopped = threading.Event()
        """Set where nobody is interested any more."""
        authorization = {"Authorization": f"Bearer {info.api_key}"}
        self.api = httpx.Client(base_url=info.api_url, headers=authorization, timeout=ANSWER_SECONDS, trust_env=False)
        self.prefect = httpx.Client(base_url=info.prefect_api_url, timeout=ANSWER_SECONDS, trust_env=False)
        self._store = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=info.s3_endpoint_url,
            aws_access_key_id=info.s3_access_key,
            aws_secret_access_key=info.s3_secret_key,
            region_name=info.environment()["AWS_DEFAULT_REGION"],
        )

        self._by_kind: Mapping[str, Callable[..., str]] = {
            "upload": self._upload,
            "retry": self._retry,
            "cancel": self._cancel,
            "force": self._force,
            "delete-image": self._delete_image,
            "delete-gallery": self._delete_gallery,
            "limit": self._limit,
            "sweep": lambda: self._run("sweep-storage", dry_run=False),
        }

    def close(self) -> None:
        for client in (self.api, self.prefect, self._store):
            client.close()

    def keep_buckets(self) -> None:
        """Put an object into each bucket: the embedded S3 server, when it is killed, forgets those that are empty."""
        for bucket in (self._info.uploads_bucket, self._info.library_bucket):
            self._s3.put_object(Bucket=bucket, Key=KEPT, Body=b"")

    def do(self, step: Step) -> str:
        """Do a step; returns what came of it in words. Raises `Refused`."""
        return self._by_kind[step.kind](**step.parameters)

    def _sent(self, upload: int) -> Sent:
        with self._book.lock:
            sent = self._book.sent.get(upload)
        if sent is None:
            raise Refused("it has not been sent yet")
        return sent

    def _patiently(self, ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
        """Ask until there is an answer, as programs do. Raises `Refused` for another than the wanted, or for none."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer = ask()
                if answer.status_code == status:
                    return answer
                trouble = f"HTTP {answer.status_code}: {answer.text[:200]}"
                if answer.status_code < 500:
                    raise Refused(trouble)
            except httpx.TransportError as error:
                trouble = f"no answer: {type(error).__name__}"
            if time.monotonic() > end or self.stopped.wait(1):
                raise Refused(f"given up; {trouble}")

    def _upload(self, **plan: Any) -> str:
        gallery_id, files = gallery_of(plan["gallery"]), files_of(plan)
        send = self._send_presigned if plan["way"] == "presigned" else self._send_webhook
        sent = send(plan, gallery_id, files)
        with self._book.lock:
            self._book.accepted.add(sent.upload_id)
        return f"{sent.upload_id} of {gallery_id}: {len(files)} files, accepted"

    def _note(self, sent: Sent) -> Sent:
        with self._book.lock:
            self._book.sent[sent.plan["upload"]] = sent
        return sent

    def _send_presigned(self, plan: Mapping[str, Any], gallery_id: str, files: Mapping[str, bytes]) -> Sent:
        declared = [{"file_name": name, "size": len(content)} for name, content in files.items()]
        key = {"Idempotency-Key": f"upload {plan['upload']}"}
        path = f"/v1/galleries/{gallery_id}/uploads"
        opened = self._patiently(lambda: self.api.post(path, json={"files": declared}, headers=key), 201).json()
        sent = self._note(Sent(plan, gallery_id, opened["upload_id"]))
        for file in opened["files"]:
            send = partial(self._store.post, file["url"], data=file["fields"], files={"file": files[file["file_name"]]})
            self._patiently(send, 204)
        self._patiently(lambda: self.api.post(f"/v1/uploads/{sent.upload_id}/complete"), 202)
        return sent

    def _send_webhook(self, plan: Mapping[str, Any], gallery_id: str, files: Mapping[str, bytes]) -> Sent:
        sent = self._note(Sent(plan, gallery_id, f"staged-{plan['upload']:03}-{uuid4().hex[:8]}"))
        keys = {name: "/".join((gallery_id, sent.upload_id, name)) for name in files}
        for name, content in files.items():
            self._patiently(partial(self._put, keys[name], content), 200)
        named = [{"key": key, "file_name": name} for name, key in keys.items()]
        body = json.dumps({"gallery_id": gallery_id, "upload_id": sent.upload_id, "files": named})
        self._patiently(lambda: self._webhook(body), 202)
        return sent

    def _put(self, key: str, content: bytes) -> httpx.Response:
        try:
            self._s3.put_object(Bucket=self._info.uploads_bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise httpx.TransportError(str(error)) from error
        return httpx.Response(200)

    def _webhook(self, body: str) -> httpx.Response:
        message_id, now = f"msg_{uuid4().hex}", datetime.now(UTC)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._info.webhook_secret).sign(message_id, now, body),
        }
        return self.api.post("/v1/webhooks/uploads", content=body, headers=headers)

    def retry(self, upload_id: str) -> str:
        """Retry an upload through the API."""
        return f"HTTP {_ask(lambda: self.api.post(f'/v1/uploads/{upload_id}/retry')).status_code}"

    def _retry(self, upload: int, by: str) -> str:
        sent = self._sent(upload)
        if by == "api":
            return self.retry(sent.upload_id)
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        return self._set_state(sent, state, is_offered=lambda run: run["state"]["type"] in FINAL)

    def _cancel(self, upload: int, by: str) -> str:
        sent = self._sent(upload)
        with self._book.lock:
            self._book.cancelled.add(sent.upload_id)
        if by == "api":
            return f"HTTP {_ask(lambda: self.api.post(f'/v1/uploads/{sent.upload_id}/cancel')).status_code}"
        state = {"type": "CANCELLING", "name": "Cancelling", "message": "Cancelled from the UI"}
        return self._set_state(sent, state, is_offered=lambda run: run["state"]["type"] not in FINAL)

    def _set_state(self, sent: Sent, state: Mapping[str, str], is_offered: Callable[[Mapping[str, Any]], bool]) -> str:
        """What a button of the UI does, where the UI offers it."""
        run_id = _ask(lambda: self.api.get(f"/v1/uploads/{sent.upload_id}")).json()["flow_run_id"]
        if run_id is None:
            raise Refused("it has no run yet")
        run = _ask(lambda: self.prefect.get(f"/flow_runs/{run_id}")).json()
        if not is_offered(run):
            raise Refused(f"run {run_id} is {run['state']['name']}")
        answer = _ask(lambda: self.prefect.post(f"/flow_runs/{run_id}/set_state", json={"state": state})).json()
        return f"run {run_id} was {run['state']['name']}: {answer['status']}, {answer['state']['name']}"

    def _force(self, upload: int) -> str:
        sent = self._sent(upload)
        return self._run("ingest-gallery", gallery_id=sent.gallery_id, upload_id=sent.upload_id, force=True)

    def _run(self, deployment: str, **parameters: object) -> str:
        """Start a run as the UI's form does."""
        found = _ask(lambda: self.prefect.get(f"/deployments/name/{deployment}/{deployment}")).json()
        path = f"/deployments/{found['id']}/create_flow_run"
        run = _ask(lambda: self.prefect.post(path, json={"parameters": parameters})).json()
        return f"run {run['id']}"

    def _limit(self, limit: int) -> str:
        """Send the UI's form of the ingests' queue, with another limit."""
        path = f"/work_pools/{POOL}/queues/{INGEST_QUEUE}"
        loaded = _ask(lambda: self.prefect.get(path)).json()
        form = {name: loaded[name] for name in ("name", "description", "priority")} | {"concurrency_limit": limit}
        _ask(lambda: self.prefect.patch(path, json=form))
        return f"{loaded['concurrency_limit']} -> {limit}"

    def _delete_gallery(self, gallery: int) -> str:
        gallery_id = gallery_of(gallery)
        return self._delete(f"/v1/galleries/{gallery_id}", gallery_id, None)

    def _delete_image(self, gallery: int, number: int) -> str:
        gallery_id, name = gallery_of(gallery), file_name(number)
        images, cursor = [], None
        while True:
            page = {"limit": 500} | ({"cursor": cursor} if cursor else {})
            answer = _ask(partial(self.api.get, f"/v1/galleries/{gallery_id}/images", params=page)).json()
            images += answer["images"]
            if (cursor := answer["next_cursor"]) is None:
                break
        for image in images:
            if image["file_name"] == name:
                return self._delete(f"/v1/galleries/{gallery_id}/images/{image['image_id']}", gallery_id, name)
        raise Refused(f"{gallery_id} has no {name}")

    def _delete(self, path: str, gallery_id: str, name: str | None) -> str:
        asked_at, is_answered = datetime.now(UTC), False
        try:
            answer = _ask(lambda: self.api.delete(path))
            is_answered = True
        finally:
            with self._book.lock:
                self._book.removals.append(Removal(gallery_id, name, asked_at, is_answered))
        return f"HTTP {answer.status_code}"


FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def _ask(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask once, as a person does who presses a button. Raises `Refused`, also where nobody answers."""
    try:
        answer = ask()
    except httpx.TransportError as error:
        raise Refused(f"no answer: {type(error).__name__}") from error
    if not answer.is_success:
        raise Refused(f"HTTP {answer.status_code}: {answer.text[:200]}")
    return answer
