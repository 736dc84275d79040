"""Signed webhooks: applications that stage files themselves say that an upload is complete."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from gallery.api.middleware import LARGE_BODY
from gallery.models import FINAL_STATES
from tests.api.conftest import Api, refusal, runs_of
from tests.conftest import ROTATED_SECRET, Servers
from tests.journeys import Journeys, photo, wait_until


def upload_of(gallery_id: str, *names: str, upload_id: str | None = None) -> dict[str, Any]:
    upload_id = upload_id or f"theirs-{uuid4().hex[:8]}"
    return {
        "gallery_id": gallery_id,
        "upload_id": upload_id,
        "files": [{"key": f"{gallery_id}/{upload_id}/{name}", "file_name": name} for name in names or ("a.jpg",)],
    }


def is_known(api: Api, body: dict[str, Any]) -> bool:
    return api.status(body["upload_id"]).status_code != 404


def test_a_signed_webhook_brings_staged_files_into_the_gallery(
    api: Api, journeys: Journeys, servers: Servers, gallery_id: str
) -> None:
    body = upload_of(gallery_id, "a.jpg", "b.jpg")
    # A key need not end with the file's name.
    body["files"][1]["key"] = f"{gallery_id}/{body['upload_id']}/0002"
    body["metadata"] = {"order": 17}
    for seed, file in enumerate(body["files"]):
        journeys.overwrite_staged(file["key"], photo(seed))

    answer = api.webhook(body)
    assert answer.status_code == 202
    assert answer.json() == {
        "upload_id": body["upload_id"],
        "state": "accepted",
        "status_url": f"/v1/uploads/{body['upload_id']}",
    }
    # Said again while it is under way, with another webhook-id and in another order; by several at once.
    with ThreadPoolExecutor(8) as threads:
        repeats = list(threads.map(lambda _: api.webhook({**body, "files": body["files"][::-1]}), range(8)))
    assert {repeat.status_code for repeat in repeats} == {202}

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = api.status(body["upload_id"]).json()
        return status if status["state"] in FINAL_STATES else None

    status = wait_until(ended, "the end of the upload")
    assert (status["state"], status["counts"]["saved"]) == ("completed", 2)
    assert status["metadata"] == {"order": 17}
    versions = journeys.current(gallery_id)
    assert journeys.looks_like(versions["b.jpg"].styles["large"][0], photo(1))
    row = journeys.upload(body["upload_id"])
    assert (row.trigger, row.requested_by) == ("webhook", "webhook")

    again = api.webhook(body)
    assert (again.status_code, again.json()["state"]) == (202, "completed")
    assert [run["id"] for run in runs_of(servers, gallery_id)] == [status["flow_run_id"]]

    # Other files or another gallery under the same upload_id contradict it, whatever the webhook-id.
    other_files = {**body, "files": body["files"][:1]}
    renamed = {**body, "files": [{**body["files"][0], "file_name": "c.jpg"}, body["files"][1]]}
    other_gallery = upload_of(f"{gallery_id}-2", "a.jpg", upload_id=body["upload_id"])
    for contradiction in (other_files, renamed, other_gallery):
        refusal(api.webhook(contradiction), 409, "conflict")
        refusal(api.webhook(contradiction, webhook_id="msg_1"), 401)
    assert journeys.current(gallery_id) == versions


def test_every_configured_secret_is_accepted_while_rotating(api: Api, gallery_id: str) -> None:
    # Not valid beyond their signature: nothing is to start here.
    body = upload_of(gallery_id, "../a.jpg")
    for secret in (api.webhook_secret, ROTATED_SECRET):
        refusal(api.webhook(body, secret=secret), 422, "invalid_file_name")
    other = "whsec_" + "A" * 32
    refusal(api.webhook(body, secret=other), 401, "not_authenticated")


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_stale_or_future_signature_is_refused(api: Api, gallery_id: str, age: timedelta) -> None:
    body = b'{"gallery_id": "%s", "upload_id": "u", "files": []}' % gallery_id.encode()
    when = datetime.now(UTC) - age
    headers = {
        "webhook_id": "m",
        "webhook_timestamp": str(int(when.timestamp())),
        "webhook_signature": Webhook(api.webhook_secret).sign("m", when, body.decode()),
    }
    refusal(api.webhook(body, **headers), 401, "not_authenticated")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "m", "webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": b"v1,\xe4"},
        {"webhook-id": b"\xff"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "inf"},
        {"webhook-timestamp": "1e300"},
        {"webhook-timestamp": "99999999999999999999"},
    ],
)
def test_a_bad_or_missing_signature_is_refused(api: Api, gallery_id: str, headers: dict[str, str | bytes]) -> None:
    given: dict[str, Any] = {"webhook-id": "m", "webhook-signature": "v1,AAAA"}
    given["webhook-timestamp"] = str(int(datetime.now(UTC).timestamp()))
    answer = api.http.post(
        "/v1/webhooks/uploads", json=upload_of(gallery_id), headers={**given, **headers} if headers else {}
    )
    refusal(answer, 401, "not_authenticated")


def test_a_changed_body_is_refused(api: Api, gallery_id: str) -> None:
    body = upload_of(gallery_id)
    signed = httpx.Request("POST", "http://x", json=body)
    now = datetime.now(UTC)
    headers = {
        "webhook_id": "m",
        "webhook_timestamp": str(int(now.timestamp())),
        "webhook_signature": Webhook(api.webhook_secret).sign("m", now, signed.content.decode()),
    }
    refusal(api.webhook(signed.content + b" ", **headers), 401)
    assert not is_known(api, body)


def test_a_body_that_is_no_text_is_refused(api: Api) -> None:
    refusal(api.webhook(b"\xff\xfe{}"), 401, "not_authenticated")


@pytest.mark.parametrize(
    "key",
    [
        "elsewhere/u/a.jpg",
        "{gallery}/other/a.jpg",
        "{gallery}/{upload}",
        "{gallery}/{upload}/",
        "{gallery}/{upload}2/a",
        # XML, in which objects are listed and deleted, has no way to write them.
        "{gallery}/{upload}/a\n.jpg",
        "{gallery}/{upload}/\x01",
        "{gallery}/{upload}/a\x85.jpg",
        "{gallery}/{upload}/a\ufffe.jpg",
        "{gallery}/{upload}/a\uffff",
    ],
)
def test_a_key_outside_the_upload_or_that_no_deletion_could_name_is_refused(
    api: Api, gallery_id: str, key: str
) -> None:
    body = upload_of(gallery_id)
    body["files"][0]["key"] = key.format(gallery=gallery_id, upload=body["upload_id"])
    refusal(api.webhook(body), 422, "invalid_key")
    assert not is_known(api, body)


def test_a_key_that_is_none_or_stands_twice_is_refused(api: Api, gallery_id: str) -> None:
    body = upload_of(gallery_id, "a.jpg", "b.jpg")
    body["files"][0]["key"] += "\0"
    refusal(api.webhook(body), 422, "invalid_key")
    body["files"][0]["key"] = body["files"][1]["key"]
    refusal(api.webhook(body), 422, "duplicate_key")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"gallery_id": "Not A Slug"}, "invalid_gallery_id"),
        ({"upload_id": "../u"}, "invalid_upload_id"),
        ({"upload_id": "u" * 65}, "invalid_upload_id"),
        ({"files": []}, "invalid_request"),
        ({"files": [{"key": "k"}]}, "invalid_request"),
        ({"surprise": 1}, "invalid_request"),
        ({"metadata": {"a": "\0"}}, "invalid_request"),
        ({"metadata": {"\0": 1}}, "invalid_request"),
        ({"metadata": {"a": float("nan")}}, "invalid_request"),
    ],
)
def test_a_signed_body_that_is_not_valid_is_refused_in_words(
    api: Api, gallery_id: str, change: dict[str, Any], code: str
) -> None:
    refusal(api.webhook(upload_of(gallery_id) | change), 422, code)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"text"', b'{"gallery_id": "\\ud800"}', b"[" * 5000])
def test_signed_json_that_is_malformed_is_refused(api: Api, body: bytes) -> None:
    refusal(api.webhook(body), 422, "invalid_request")


def test_two_files_of_one_name_are_refused(api: Api, gallery_id: str) -> None:
    body = upload_of(gallery_id, "a.jpg", "b.jpg")
    body["files"][1]["file_name"] = "a.jpg"
    refusal(api.webhook(body), 422, "duplicate_file_name")


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    refusal(api.webhook(b" " * (LARGE_BODY + 1)), 413, "too_large")


def test_an_upload_that_was_presigned_may_be_completed_by_webhook_with_the_same_files_only(
    api: Api, gallery_id: str
) -> None:
    opened = api.opened(gallery_id, {"a.jpg": b"x", "b.jpg": b"y"})
    contradiction = upload_of(gallery_id, "a.jpg", upload_id=opened["upload_id"])
    refusal(api.webhook(contradiction), 409, "conflict")
    assert api.status(opened["upload_id"]).json()["state"] == "open"


def test_all_files_that_are_refused_are_named_at_once(api: Api, gallery_id: str) -> None:
    prefix = f"{gallery_id}/u-{gallery_id}/"
    files = [
        {"key": f"{prefix}a.jpg", "file_name": "a.jpg"},
        {"key": f"{prefix}b.jpg", "file_name": "../b.jpg"},
        {"key": "elsewhere/c.jpg", "file_name": "c.jpg"},
        {"key": f"{prefix}a.jpg", "file_name": "d.jpg"},
        {"key": f"{prefix}e.jpg", "file_name": "e.jpg", "expect": "zz"},
    ]
    answer = api.webhook({"gallery_id": gallery_id, "upload_id": f"u-{gallery_id}", "files": files})
    refusal(answer, 422, "invalid_file_name")
    assert [(one["index"], one["code"]) for one in answer.json()["errors"]] == [
        (1, "invalid_file_name"),
        (2, "invalid_key"),
        (3, "duplicate_key"),
        (4, "invalid_request"),
    ]
