"""Upload links: good for uploading to one gallery, for a while, and for nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from gallery.api.links import UploadLink, read_link, sign_link
from tests.journeys import photo
from tests.second_api import SecondApi

KEYS = [SecretStr("first:0123456789abcdef-first"), SecretStr("web:0123456789abcdef-web")]
LINK = UploadLink("web", "summer-wedding", datetime(2099, 1, 1, tzinfo=UTC))


def test_a_token_states_who_made_it_for_which_gallery_and_until_when() -> None:
    assert read_link(sign_link(LINK, KEYS), KEYS) == LINK


def test_a_token_dies_with_its_key_and_at_its_time() -> None:
    token = sign_link(LINK, KEYS)
    assert read_link(token, KEYS[:1]) is None
    assert read_link(token, [SecretStr("web:another-key-of-that-name")]) is None
    past = UploadLink("web", "summer-wedding", datetime.now(UTC) - timedelta(seconds=1))
    assert read_link(sign_link(past, KEYS), KEYS) is None


@pytest.mark.parametrize("damage", ["", ".", "a.b", "é.b", "e30.AAAA", "[]." + "A" * 43, "A" * 5000, "W10.AAAA", "."])
def test_what_is_no_token_is_refused_quietly(damage: str) -> None:
    assert read_link(damage, KEYS) is None


def test_no_character_of_a_token_can_be_changed() -> None:
    token = sign_link(LINK, KEYS)
    for position in range(0, len(token) - 1, 3):
        other = "A" if token[position] != "A" else "B"
        assert read_link(token[:position] + other + token[position + 1 :], KEYS) is None


def test_a_link_uploads_to_its_gallery_and_does_nothing_else(second_api: SecondApi, gallery_id: str) -> None:
    made = second_api.http.post(f"/v1/galleries/{gallery_id}/upload-links", json={"expires_in_seconds": 600})
    assert made.status_code == 201
    token, url = made.json()["token"], urlsplit(made.json()["url"])
    # In the fragment, which no server is sent.
    assert (url.query, url.fragment) == (f"gallery={gallery_id}", f"token={token}")
    assert made.json()["url"].startswith(f"{second_api.url}/?")
    foreign = second_api.open_upload(f"g-{uuid4().hex[:12]}", {"a.jpg": photo(1)})

    with httpx.Client(base_url=second_api.url, headers={"Authorization": f"Bearer {token}"}) as visitor:
        body = {"files": [{"file_name": "a.jpg", "size": 3, "content_type": "image/jpeg"}]}
        opened = visitor.post(f"/v1/galleries/{gallery_id}/uploads", json=body)
        assert opened.status_code == 201
        mine = opened.json()["upload_id"]
        assert visitor.post(f"/v1/uploads/{mine}/sign").status_code == 200
        assert visitor.get(f"/v1/uploads/{mine}").json()["state"] == "open"
        assert visitor.get(f"/v1/galleries/{gallery_id}/images").json() == {"images": [], "next_cursor": None}

        other = foreign["upload_id"]
        for method, path in [
            ("POST", f"/v1/galleries/{foreign['upload_id'].lower()}/uploads"),
            ("GET", f"/v1/galleries/{uuid4().hex}/images"),
            ("GET", f"/v1/galleries/{uuid4().hex}/images/{uuid4()}/thumb"),
            ("POST", f"/v1/uploads/{other}/sign"),
            ("POST", f"/v1/uploads/{other}/complete"),
            ("GET", f"/v1/uploads/{other}"),
            ("POST", f"/v1/galleries/{gallery_id}/upload-links"),
            ("POST", f"/v1/uploads/{mine}/retry"),
            ("POST", f"/v1/uploads/{mine}/cancel"),
            ("POST", f"/v1/uploads/{mine}/callback"),
            ("DELETE", f"/v1/galleries/{gallery_id}"),
            ("DELETE", f"/v1/galleries/{gallery_id}/images/{uuid4()}"),
            ("POST", "/v1/webhooks/s3"),
        ]:
            answer = visitor.request(method, path, json=body if method == "POST" and "uploads" in path[-8:] else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (method, path)
    assert second_api.status(other)["state"] == "open"


@pytest.mark.parametrize("seconds", [0, 604_801, "soon"])
def test_a_link_lives_for_a_second_to_a_week(second_api: SecondApi, gallery_id: str, seconds: object) -> None:
    answer = second_api.http.post(f"/v1/galleries/{gallery_id}/upload-links", json={"expires_in_seconds": seconds})
    assert answer.status_code == 422


def test_limits_are_told_to_everybody(second_api: SecondApi) -> None:
    told = httpx.get(f"{second_api.url}/v1/limits").json()
    assert told["max_file_bytes"] == 200 * 1024 * 1024
    assert told["max_files"] == 10_000
    kinds, extensions = told["unsupported_kinds"], told["unsupported_extensions"]
    assert set(kinds) == {"raw", "video", "other"}
    assert {"cr3", "nef", "arw"} <= set(kinds["raw"])
    assert {"mov", "mpg", "webm"} <= set(kinds["video"])
    assert {"psd", "jxl", "txt"} <= set(kinds["other"])
    assert extensions == sorted(kinds["raw"] + kinds["video"] + kinds["other"])
    assert not {"jpg", "jpeg", "png", "heic", "tif", "webp"} & set(extensions)
