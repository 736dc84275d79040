"""The API for browsers: presign, send to the store, sign again, complete, follow."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gallery.models import FINAL_STATES
from gallery.settings import Settings
from gallery.storage.keys import StagedKey
from tests.api.conftest import Api, files, refusal, runs_of
from tests.conftest import Servers
from tests.journeys import Journeys, photo, wait_until

PHOTO = b"\xff\xd8 not really a photograph"


def final_status(api: Api, upload_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        body: dict[str, Any] = api.status(upload_id).json()
        return body if body["state"] in FINAL_STATES else None

    return wait_until(ended, f"the end of {upload_id}")


def test_a_presigned_post_puts_exactly_this_file_into_the_store(api: Api, journeys: Journeys, gallery_id: str) -> None:
    name = "card 1/Käse & Brot +100%.JPG"
    answer = api.opened(gallery_id, {name: PHOTO})
    (presigned,) = answer["files"]
    assert presigned["file_name"] == name
    assert presigned["key"] == f"{gallery_id}/{answer['upload_id']}/{name}"
    assert datetime.fromisoformat(answer["expires_at"]) > datetime.now(UTC)
    assert api.send_file(presigned, PHOTO).is_success
    assert journeys.staged(gallery_id) == {presigned["key"]}
    assert journeys.read(presigned["key"], journeys.storage.uploads_bucket) == PHOTO


@pytest.mark.parametrize(
    ("what", "content", "changed"),
    [
        ("another key", PHOTO, {"key": "g/u/other.jpg"}),
        ("a larger file", PHOTO + b"x", {}),
        ("a smaller file", PHOTO[:-1], {}),
        ("an empty file", b"", {}),
        ("another content type", PHOTO, {"Content_Type": "text/html"}),
        ("a tampered signature", PHOTO, {"x_amz_signature": "0" * 64}),
        ("another access key", PHOTO, {"x_amz_credential": "AKIAOTHER/20260101/us-east-1/s3/aws4_request"}),
    ],
)
def test_the_store_refuses(
    api: Api, journeys: Journeys, gallery_id: str, what: str, content: bytes, changed: dict[str, str]
) -> None:
    answer = api.opened(gallery_id, {"a.jpg": PHOTO})
    key = changed.get("key", "").replace("g/u/", f"{gallery_id}/{answer['upload_id']}/")
    changes = {**changed, "key": key} if key else changed
    refused = api.send_file(answer["files"][0], content, **changes)
    assert refused.status_code in (400, 403), f"{what}: {refused.text}"
    assert journeys.staged(gallery_id) == set(), what


def test_the_store_refuses_a_widened_policy(api: Api, journeys: Journeys, gallery_id: str) -> None:
    mine, other = (api.opened(gallery_id, {"a.jpg": content})["files"][0] for content in (PHOTO, PHOTO * 2))
    # The policy of a larger file under the signature of a smaller one.
    refused = api.send_file(mine, PHOTO * 2, policy=other["fields"]["policy"], key=other["key"])
    assert refused.status_code == 403
    assert journeys.staged(gallery_id) == set()


def test_the_store_refuses_an_expired_policy(api: Api, journeys: Journeys, gallery_id: str) -> None:
    key = StagedKey(gallery_id, "u", "a.jpg").key

    def presigned(seconds: int) -> dict[str, Any]:
        url, fields = journeys.storage.presign_post(
            key, size=len(PHOTO), content_type="image/jpeg", expires_seconds=seconds
        )
        return {"method": "POST", "url": url, "fields": fields}

    assert api.send_file(presigned(-60), PHOTO).status_code == 403
    assert journeys.staged(gallery_id) == set()
    assert api.send_file(presigned(60), PHOTO).is_success


def test_two_files_of_one_name_are_refused_and_both_are_named(api: Api, gallery_id: str) -> None:
    twice = [*files({"a/IMG_1.JPG": PHOTO})["files"] * 2]
    detail = refusal(api.presign(gallery_id, {"files": twice}), 422, "duplicate_file_name")
    assert detail.count("a/IMG_1.JPG") == 2

    names = [unicodedata.normalize(form, "Käse.jpg") for form in ("NFC", "NFD")]
    assert names[0] != names[1]
    detail = refusal(api.presign(gallery_id, files(dict.fromkeys(names, PHOTO))), 422, "duplicate_file_name")
    assert all(repr(name) in detail for name in names)


def test_names_that_differ_in_case_or_folder_are_different(api: Api, gallery_id: str) -> None:
    names = ["IMG.jpg", "img.JPG", "a/IMG.jpg", "b/IMG.jpg"]
    answer = api.opened(gallery_id, dict.fromkeys(names, PHOTO))
    assert [file["file_name"] for file in answer["files"]] == names
    assert len({file["key"] for file in answer["files"]}) == 4


def test_a_name_is_stored_in_nfc(api: Api, gallery_id: str) -> None:
    answer = api.opened(gallery_id, {unicodedata.normalize("NFD", "Käse.jpg"): PHOTO})
    assert answer["files"][0]["file_name"] == unicodedata.normalize("NFC", "Käse.jpg")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../x",
        "..",
        ".",
        "a/../b.jpg",
        "a/./b.jpg",
        "/a.jpg",
        "a/",
        "a//b.jpg",
        "a\\b.jpg",
        "a\nb.jpg",
        "a\0b.jpg",
        "a\x7fb.jpg",
        "a\x85b.jpg",
        "a\u2028b.jpg",
        "a\ufffeb.jpg",
        "\uffff",
        "a.jpg ",
        "card /a.jpg\u3000",
        "${filename}",
        "a" * 256,
        "ä" * 128,
    ],
)
def test_a_bad_file_name_is_refused(api: Api, gallery_id: str, name: str) -> None:
    refusal(api.presign(gallery_id, files({"good.jpg": PHOTO, name: PHOTO})), 422, "invalid_file_name")


def test_whatever_a_sender_takes_a_file_for_is_no_reason_to_refuse_it(api: Api, gallery_id: str) -> None:
    claims: dict[str, Any] = {
        "Image/JPEG; charset=binary": "image/jpeg",
        "image/jpeg": "image/jpeg",
        "": "application/octet-stream",
        "undefined": "application/octet-stream",
        "image": "application/octet-stream",
        "image/jpeg\r\nX: y": "application/octet-stream",
        "x/" + "y" * 200: "application/octet-stream",
    }
    declared = [{"file_name": f"{n}.jpg", "size": 1, "content_type": claim} for n, claim in enumerate(claims)]
    declared += [{"file_name": "null.jpg", "size": 1, "content_type": None}]
    declared += [{"file_name": "number.jpg", "size": 1, "content_type": 7}, {"file_name": "none.jpg", "size": 1}]
    answer = api.presign(gallery_id, {"files": declared})
    assert answer.status_code == 201, answer.text
    signed = [file["fields"]["Content-Type"] for file in answer.json()["files"]]
    assert signed == [*claims.values(), *["application/octet-stream"] * 3]


def test_all_files_that_are_refused_are_named_at_once(api: Api, settings: Settings, gallery_id: str) -> None:
    most = settings.max_file_bytes
    declared: list[dict[str, Any] | None] = [
        {"file_name": "good.jpg", "size": most},
        {"file_name": "../bad.jpg", "size": 1},
        {"file_name": "clip.MOV", "size": 1},
        {"file_name": "good.jpg", "size": 1},
        {"file_name": "large.jpg", "size": most + 1},
        {"file_name": "large.CR3", "size": most + 1},
        {"file_name": "odd.jpg", "size": 1, "expect": "zz"},
        {"file_name": 7, "size": 1},
        None,
    ]
    answer = api.presign(gallery_id, {"files": declared})
    assert "../bad.jpg" in refusal(answer, 422, "invalid_file_name")
    errors = answer.json()["errors"]
    assert [(one["index"], one["file_name"], one["code"]) for one in errors] == [
        (1, "../bad.jpg", "invalid_file_name"),
        (2, "clip.MOV", "unsupported_type"),
        (3, "good.jpg", "duplicate_file_name"),
        (4, "large.jpg", "file_too_large"),
        (5, "large.CR3", "unsupported_type"),
        (6, "odd.jpg", "invalid_request"),
        (7, None, "invalid_request"),
        (8, None, "invalid_request"),
    ]
    assert all(one["message"] for one in errors)
    faulty = {one["index"] for one in errors}
    rest = [file for index, file in enumerate(declared) if index not in faulty]
    assert api.presign(gallery_id, {"files": rest}).status_code == 201


def test_a_field_that_is_not_valid_names_its_file(api: Api, gallery_id: str) -> None:
    declared = [{"file_name": f"{n}.jpg", "size": -1 if n % 2 else 1} for n in range(100)]
    answer = api.presign(gallery_id, {"files": declared})
    refusal(answer, 422, "invalid_request")
    errors = answer.json()["errors"]
    assert [(one["index"], one["file_name"]) for one in errors] == [(n, f"{n}.jpg") for n in range(1, 100, 2)]


def test_a_lone_surrogate_in_a_file_name_is_refused(api: Api, gallery_id: str) -> None:
    body = b'{"files": [{"file_name": "\\ud800.jpg", "size": 1}]}'
    headers = {"Content-Type": "application/json"}
    refusal(api.http.post(f"/v1/galleries/{gallery_id}/uploads", content=body, headers=headers), 422)


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "a/b/c/d.jpg", "...", "a..b", "$filename{}", "a:b*?"])
def test_a_strange_but_good_file_name_is_taken(api: Api, gallery_id: str, name: str) -> None:
    assert api.opened(gallery_id, {name: PHOTO})["files"][0]["file_name"] == name


@pytest.mark.parametrize("gallery_id", ["A", "-a", "a-", "a_b", "a.b", "a" * 64, "ä", "a%0A", "a%00", "a b", "${a}"])
def test_a_bad_gallery_id_is_refused(api: Api, gallery_id: str) -> None:
    refusal(api.presign(gallery_id, files({"a.jpg": PHOTO})), 422, "invalid_gallery_id")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"files": []}',
        b'{"files": [{"file_name": "a.jpg"}]}',
        b'{"files": [{"file_name": "a.jpg", "size": -1}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 9223372036854775808}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 1, "expect": "present"}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 1, "expect": "' + b"A" * 64 + b'"}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 1, "colour": "red"}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "\\ud800": 1}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": "\\u0000"}}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"\\u0000": 1}}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": ["\\ud800"]}}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": NaN}}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": 1e999}}',
        b'{"files": [{"file_name": "a.jpg", "size": 1, "metadata": {"a": "\\u0000"}}]}',
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"files": [{"file_name": "a.jpg", "size": 1}], "metadata": {"a": ' + b"[" * 9000 + b"]" * 9000 + b"}}",
        b'{"files": [' + b'{"file_name": "a.jpg", "size": 1},' * 10_000 + b'{"file_name": "a.jpg", "size": 1}]}',
        b"\xff\xfe",
    ],
)
def test_a_request_that_is_not_valid_is_refused_in_words(api: Api, gallery_id: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.http.post(f"/v1/galleries/{gallery_id}/uploads", content=body, headers=headers)
    refusal(answer, answer.status_code if answer.status_code in (400, 422) else 422)


def test_metadata_comes_back_as_it_was_given(api: Api, gallery_id: str) -> None:
    metadata = {"event": "Hochzeit", "nested": {"ids": [1, 2.5, None, True]}, "emoji": "🎉"}
    answer = api.presign(gallery_id, {**files({"a.jpg": PHOTO}), "metadata": metadata})
    assert api.status(answer.json()["upload_id"]).json()["metadata"] == metadata


def test_the_same_idempotency_key_and_body_give_the_same_upload(api: Api, partner: Api, gallery_id: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: api.opened(gallery_id, {"a.jpg": PHOTO}, **{"Idempotency-Key": gallery_id}), range(8))
        )
    assert len({answer["upload_id"] for answer in answers}) == 1
    assert api.send_file(answers[-1]["files"][0], PHOTO).is_success

    other = api.presign(gallery_id, files({"b.jpg": PHOTO}), **{"Idempotency-Key": gallery_id})
    refusal(other, 409, "conflict")
    # Keys belong to their caller.
    theirs = partner.opened(gallery_id, {"a.jpg": PHOTO}, **{"Idempotency-Key": gallery_id})
    assert theirs["upload_id"] != answers[0]["upload_id"]
    assert api.opened(gallery_id, {"a.jpg": PHOTO})["upload_id"] != answers[0]["upload_id"]


def test_sign_gives_what_has_not_arrived(api: Api, gallery_id: str) -> None:
    answer = api.opened(gallery_id, {"a.jpg": PHOTO, "b.jpg": PHOTO})
    assert api.send_file(answer["files"][0], PHOTO).is_success
    again = api.sign(answer["upload_id"]).json()
    assert again["upload_id"] == answer["upload_id"]
    assert [file["file_name"] for file in again["files"]] == ["b.jpg"]
    assert api.send_file(again["files"][0], PHOTO).is_success
    assert api.sign(answer["upload_id"]).json()["files"] == []


def test_no_key_or_a_wrong_one_is_refused_everywhere(api: Api, stranger: Api, gallery_id: str) -> None:
    upload_id = api.opened(gallery_id, {"a.jpg": PHOTO})["upload_id"]
    key = api.http.headers["Authorization"].removeprefix("Bearer ")
    for given in (None, "Bearer", "Bearer wrong", f"Bearer {key}x", f"Basic {key}", f"Bearer local:{key}"):
        stranger.http.headers.pop("Authorization", None)
        if given is not None:
            stranger.http.headers["Authorization"] = given
        for answer in (
            stranger.presign(gallery_id, files({"a.jpg": PHOTO})),
            stranger.sign(upload_id),
            stranger.complete(upload_id),
            stranger.status(upload_id),
            stranger.status("unknown"),
        ):
            refusal(answer, 401, "not_authenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert api.status(upload_id).json()["state"] == "open"


def test_the_catalogue_says_who_asked(api: Api, partner: Api, journeys: Journeys, gallery_id: str) -> None:
    uploads = [caller.opened(gallery_id, {"a.jpg": PHOTO})["upload_id"] for caller in (api, partner)]
    assert [journeys.upload(upload_id).requested_by for upload_id in uploads] == ["local", "partner"]
    assert journeys.upload(uploads[0]).trigger == "api"


@pytest.mark.parametrize("upload_id", ["unknown", "%00", "ä", "a%0Ab", "x" * 300])
@pytest.mark.parametrize("call", [Api.sign, Api.complete, Api.status])
def test_an_unknown_upload_is_not_found(api: Api, upload_id: str, call: Callable[[Api, str], httpx.Response]) -> None:
    refusal(call(api, upload_id), 404, "not_found")


def test_unknown_routes_and_methods_are_problems_too(api: Api) -> None:
    refusal(api.http.get("/v1/nothing"), 404, "not_found")
    refusal(api.http.delete("/v1/uploads/x"), 405, "method_not_allowed")


def test_health_needs_no_key(stranger: Api) -> None:
    assert stranger.http.get("/healthz").json() == {"status": "ok"}
    assert stranger.http.get("/readyz").json() == {"status": "ok", "missing": []}
    assert stranger.http.get("/docs").is_success


def test_complete_twenty_times_at_once_is_one_upload_and_one_run(
    api: Api, journeys: Journeys, servers: Servers, gallery_id: str
) -> None:
    content = photo(7)
    answer = api.opened(gallery_id, {"a.jpg": content})
    upload_id = answer["upload_id"]
    assert api.send_file(answer["files"][0], content).is_success
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: api.complete(upload_id), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["upload_id"] for answer in answers} == {upload_id}
    assert {answer.json()["status_url"] for answer in answers} == {f"/v1/uploads/{upload_id}"}
    seq = journeys.upload(upload_id).accepted_seq
    assert seq is not None

    status = final_status(api, upload_id)
    assert status["state"] == "completed"
    assert status["counts"]["saved"] == 1
    again = api.complete(upload_id)
    assert (again.status_code, again.json()["state"]) == (202, "completed")
    assert journeys.upload(upload_id).accepted_seq == seq
    (run,) = runs_of(servers, gallery_id)
    assert run["id"] == status["flow_run_id"]
    assert run["name"] == f"{gallery_id} · 1 image"
    assert status["flow_run_url"].startswith(servers.info.prefect_ui_url)
    assert status["flow_run_url"].endswith(run["id"])
    # It takes no more files.
    refusal(api.sign(upload_id), 409, "conflict")


def test_status_counts_entries_and_names_the_problems(api: Api, gallery_id: str) -> None:
    contents = {"good.jpg": photo(1), "letter.jpg": b"Dear photographer", "lost.jpg": PHOTO}
    answer = api.opened(gallery_id, contents)
    upload_id = answer["upload_id"]
    fresh = api.status(upload_id).json()
    none = dict.fromkeys(("saved", "replaced", "unchanged", "superseded", "rejected", "failed"), 0)
    assert fresh == {
        "upload_id": upload_id,
        "gallery_id": gallery_id,
        "state": "open",
        "waiting": None,
        "flow_run_id": None,
        "flow_run_url": None,
        "image_count": 3,
        "counts": {**none, "pending": 3},
        "to_decide": 0,
        "notes": {},
        "problems": [],
        "metadata": {},
    }
    for file in answer["files"][:2]:
        assert api.send_file(file, contents[file["file_name"]]).is_success
    assert api.complete(upload_id).json()["state"] == "accepted"
    status = final_status(api, upload_id)
    assert status["state"] == "failed"
    assert status["counts"] == {**none, "saved": 1, "rejected": 1, "failed": 1, "pending": 0}
    assert [(item["file_name"], item["outcome"], item["stage"], item["reason"]) for item in status["problems"]] == [
        ("letter.jpg", "rejected", "process", "not_an_image"),
        ("lost.jpg", "failed", "download", "missing_object"),
    ]
    assert all(item["message"] for item in status["problems"])
