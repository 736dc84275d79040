"""The API of the running stack, over HTTP, as browsers and other applications call it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.conftest import PARTNER_KEY, Servers

OPEN_ANSWER = {"upload_id", "files", "expires_at"}


def refusal(answer: httpx.Response, status: int, code: str | None = None) -> str:
    """The detail of an error, after checking that it is a whole problem details document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"]
    assert code in (None, body["code"]), body
    assert body["detail"]
    return str(body["detail"])


def files(contents: Mapping[str, bytes], content_type: str = "image/jpeg") -> dict[str, Any]:
    """The body of a presign request for these files."""
    return {
        "files": [
            {"file_name": name, "size": len(content), "content_type": content_type}
            for name, content in contents.items()
        ]
    }


class Api:
    """One caller of the API."""

    def __init__(self, url: str, key: str | None, webhook_secret: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30)
        self.webhook_secret = webhook_secret

    def presign(self, gallery_id: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(f"/v1/galleries/{gallery_id}/uploads", json=body, headers=headers)

    def opened(self, gallery_id: str, contents: Mapping[str, bytes], **headers: str) -> dict[str, Any]:
        """The answer of a presign request that is accepted."""
        answer = self.presign(gallery_id, files(contents), **headers)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        assert body.keys() == OPEN_ANSWER
        return body

    def sign(self, upload_id: str) -> httpx.Response:
        return self.http.post(f"/v1/uploads/{upload_id}/sign")

    def complete(self, upload_id: str) -> httpx.Response:
        return self.http.post(f"/v1/uploads/{upload_id}/complete")

    def status(self, upload_id: str) -> httpx.Response:
        return self.http.get(f"/v1/uploads/{upload_id}")

    def send_file(self, presigned: Mapping[str, Any], content: bytes, **changed: str) -> httpx.Response:
        """Send a file to the store as a browser does, with some of the form's fields changed."""
        fields = {**presigned["fields"], **{name.replace("_", "-"): value for name, value in changed.items()}}
        part = {"file": ("from-the-camera.bin", content, "application/octet-stream")}
        assert presigned["method"] == "POST"
        return httpx.post(presigned["url"], data=fields, files=part, timeout=30)

    def webhook(self, body: Any, *, secret: str | None = None, **headers: str) -> httpx.Response:
        """Send a signed webhook; `headers` replace what the signing made."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        message_id, now = f"msg_{uuid4().hex}", datetime.now(UTC)
        signature = Webhook(secret or self.webhook_secret).sign(message_id, now, content.decode("utf-8", "replace"))
        signed = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.http.post("/v1/webhooks/uploads", content=content, headers=signed)


def runs_of(servers: Servers, gallery_id: str) -> list[dict[str, Any]]:
    """All flow runs that Prefect has for a gallery."""
    answer = httpx.post(
        f"{servers.info.prefect_api_url}/flow_runs/filter",
        json={"flow_runs": {"name": {"like_": gallery_id}}},
        timeout=30,
    )
    runs: list[dict[str, Any]] = answer.raise_for_status().json()
    return runs


@pytest.fixture(scope="module", autouse=True)
def quick_runs(warm_runs: None) -> None:
    """What runs come to is looked at here, not how they start."""


@pytest.fixture
def api(servers: Servers) -> Iterator[Api]:
    """The API as the holder of the stack's own key calls it."""
    api = Api(servers.info.api_url, servers.info.api_key, servers.info.webhook_secret)
    yield api
    api.http.close()


@pytest.fixture
def partner(servers: Servers) -> Iterator[Api]:
    """The API as another caller, with a key of its own."""
    api = Api(servers.info.api_url, PARTNER_KEY, servers.info.webhook_secret)
    yield api
    api.http.close()


@pytest.fixture
def stranger(servers: Servers) -> Iterator[Api]:
    """The API as somebody without a key."""
    api = Api(servers.info.api_url, None, servers.info.webhook_secret)
    yield api
    api.http.close()
