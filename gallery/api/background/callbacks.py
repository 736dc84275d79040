"""Sends callbacks to the application and alerts to ops, signed by the Standard Webhooks scheme."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import httpx
from pydantic import SecretStr
from sqlalchemy import Engine
from standardwebhooks.webhooks import Webhook

from gallery import runs
from gallery.api.background.worker import Worker
from gallery.catalogue import callbacks
from gallery.catalogue.callbacks import Callback
from gallery.catalogue.connect import transaction
from gallery.models import Audience
from gallery.settings import Settings

log = logging.getLogger("gallery.api")
# Seconds. The scheme's own advice is 15 to 30 in all.
TIMEOUT = httpx.Timeout(15, connect=5)
# Bytes of the application's answer that are read; nothing depends on them.
ANSWER_BYTES = 64 * 1024
# A proxy of the surroundings cannot reach this machine's own loopback addresses.
NO_PROXY: Mapping[str, None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}


def callback_sender(engine: Engine, settings: Settings) -> Worker:
    """A worker that sends what is due to `callback_url`, or forgets it where there is none."""
    return _sender(engine, "application", settings.callback_url, settings.callback_secret)


def alert_sender(engine: Engine, settings: Settings) -> Worker:
    """As `callback_sender`, of alerts to `alert_url`."""
    return _sender(engine, "ops", settings.alert_url, settings.alert_secret)


def _sender(engine: Engine, audience: Audience, url: str | None, secret: SecretStr | None) -> Worker:
    name = f"callbacks to {audience}"
    if url is None or secret is None:
        return Worker(name, lambda: _discard(engine, audience))
    sender = _Sender(url, secret.get_secret_value())

    def step() -> bool:
        with transaction(engine) as session:
            due = callbacks.claim_due_callbacks(session, audience=audience)
        if not due:
            return False
        error = sender.send(due[0])
        with transaction(engine) as session:
            if error is None:
                callbacks.sent(session, due[0])
            else:
                callbacks.refused(session, due[0], error)
        log.log(
            logging.WARNING if error else logging.INFO,
            "callback %s of upload %s: %s",
            due[0].type,
            due[0].upload_id or "-",
            error or "taken",
            extra={"upload_id": due[0].upload_id},
        )
        return True

    return Worker(name, step, close=sender.close)


def _discard(engine: Engine, audience: Audience) -> bool:
    with transaction(engine) as session:
        callbacks.discard_callbacks(session, audience)
    return False


class _Sender:
    def __init__(self, url: str, secret: str) -> None:
        self._url, self._webhook = url, Webhook(secret)
        # No redirects: where signed statements about galleries go is the setting's business alone.
        self._http = httpx.Client(timeout=TIMEOUT, follow_redirects=False, mounts=NO_PROXY)

    def close(self) -> None:
        self._http.close()

    def send(self, callback: Callback) -> str | None:
        """Send once; `None` where it was taken (any 2xx), else why not."""
        now = datetime.now(UTC)
        body = json.dumps(_message(callback), ensure_ascii=False)
        message_id = f"msg_{callback.callback_id.hex}"
        headers = {
            "content-type": "application/json",
            "user-agent": "gallery-ingest",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, now, body),
        }
        try:
            with self._http.stream("POST", self._url, content=body.encode(), headers=headers) as answer:
                read = 0
                for chunk in answer.iter_raw():
                    if (read := read + len(chunk)) > ANSWER_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # By its type: a message may carry the address, and with it a credential.
            return type(error).__name__
        return None if answer.is_success else f"HTTP {answer.status_code}"


def _message(callback: Callback) -> dict[str, object]:
    """The upload's status as `GET /v1/uploads/{id}` has it, with the scheme's `type` and `timestamp` in front."""
    message = {"type": callback.type, "timestamp": callback.created_at.isoformat(), **callback.body}
    if callback.upload_id is not None:
        run_id = callback.body.get("flow_run_id")
        message["flow_run_url"] = runs.flow_run_url(UUID(run_id) if run_id else None)
    return message
