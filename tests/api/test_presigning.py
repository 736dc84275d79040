"""Presigned requests as stores enforce them, and the limits of what may be asked for."""

from __future__ import annotations

import httpx
import pytest

from tests.conftest import Servers
from tests.journeys import photo
from tests.second_api import SecondApi


def test_a_gallery_of_1361_files_is_presigned_in_one_call(servers: Servers, gallery_id: str) -> None:
    files = [{"file_name": f"card1/IMG_{n:04}.JPG", "size": n + 1, "content_type": "image/jpeg"} for n in range(1361)]
    answer = httpx.post(
        f"{servers.info.api_url}/v1/galleries/{gallery_id}/uploads",
        json={"files": files},
        headers={"Authorization": f"Bearer {servers.info.api_key}"},
        timeout=60,
    )
    assert answer.status_code == 201
    signed = answer.json()["files"]
    assert [item["file_name"] for item in signed] == [item["file_name"] for item in files]
    assert {item["method"] for item in signed} == {"POST"}
    assert signed[7]["fields"]["key"] == signed[7]["key"]


def test_a_put_takes_the_declared_bytes_and_type_only(second_api: SecondApi, gallery_id: str) -> None:
    content = photo(1)
    opened = second_api.open_upload(gallery_id, {"a b+c.jpg": content})
    request = opened["files"][0]
    assert (request["method"], request["fields"]) == ("PUT", {})

    def put(body: bytes, url: str = request["url"], **headers: str) -> int:
        return httpx.put(url, content=body, headers={**request["headers"], **headers}).status_code

    assert put(content + b"!") == 403
    assert put(content, **{"Content-Type": "text/html"}) == 403
    assert put(content, request["url"].replace("a%20b", "other")) == 403
    assert put(content) == 200
    # Arrived: there is nothing left to sign.
    assert second_api.http.post(f"/v1/uploads/{opened['upload_id']}/sign").json()["files"] == []


@pytest.mark.parametrize(
    "metadata", [{"a": "\0"}, {"\0": 1}, {"deep": [{"a": "x\0y"}]}, {"half": "\ud800"}, {"long": "x" * 5000}]
)
def test_metadata_that_cannot_be_kept_is_refused(second_api: SecondApi, gallery_id: str, metadata: object) -> None:
    import json

    for body in (
        {"files": [{"file_name": "a.jpg", "size": 1}], "metadata": metadata},
        {"files": [{"file_name": "a.jpg", "size": 1, "metadata": metadata}]},
    ):
        answer = second_api.http.post(
            f"/v1/galleries/{gallery_id}/uploads",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_body_over_the_routes_limit_is_refused_said_or_unsaid(second_api: SecondApi, gallery_id: str) -> None:
    large = b"[" + b" " * (8 * 1024 * 1024) + b"]"
    path = f"/v1/galleries/{gallery_id}/uploads"
    json_type = {"Content-Type": "application/json"}
    told = second_api.http.post(path, content=large, headers=json_type)
    assert (told.status_code, told.json()["code"]) == (413, "too_large")
    chunks = (large[start : start + 65536] for start in range(0, len(large), 65536))
    streamed = second_api.http.post(path, content=chunks, headers=json_type)
    assert (streamed.status_code, streamed.json()["code"]) == (413, "too_large")
    small = second_api.http.post(f"/v1/galleries/{gallery_id}/upload-links", content=large[:70_000], headers=json_type)
    assert small.status_code == 413


def test_an_empty_idempotency_key_is_no_key(second_api: SecondApi, gallery_id: str) -> None:
    for _ in range(2):
        answer = second_api.http.post(
            f"/v1/galleries/{gallery_id}/uploads",
            json={"files": [{"file_name": "a.jpg", "size": 1}]},
            headers={"Idempotency-Key": ""},
        )
        assert answer.status_code == 422
