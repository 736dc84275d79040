"""Comparing before sending, expectations, decisions, and versions that come back: through the API, on whole runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import OutboxRow
from gallery.models import FINAL_STATES
from tests.api.conftest import Api, refusal
from tests.conftest import Servers, runs_have
from tests.journeys import Journeys, photo, wait_until
from tests.second_api import SecondApi

A, B, C = (photo(seed) for seed in (1, 2, 3))


@pytest.fixture(scope="module", autouse=True)
def replaced_versions_are_kept(servers: Servers, quick_runs: None) -> Iterator[None]:
    with runs_have(servers, env={"GALLERY_PROCESSORS": "1", "GALLERY_KEEP_REPLACED_DAYS": "7"}):
        yield


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sent(api: Api, gallery_id: str, contents: Mapping[str, bytes], expect: str | None = "absent") -> str:
    """An upload that has arrived and is not complete."""
    declared = [
        {"file_name": name, "size": len(content), **({} if expect is None else {"expect": expect})}
        for name, content in contents.items()
    ]
    answer = api.presign(gallery_id, {"files": declared})
    assert answer.status_code == 201, answer.text
    for item in answer.json()["files"]:
        assert api.send_file(item, contents[item["file_name"]]).is_success
    upload_id: str = answer.json()["upload_id"]
    return upload_id


def ended(api: Api, upload_id: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        body: dict[str, Any] = api.status(upload_id).json()
        return body if body["state"] in FINAL_STATES else None

    return wait_until(final, f"the end of {upload_id}")


def ingested(api: Api, gallery_id: str, contents: Mapping[str, bytes], expect: str | None = "absent") -> dict[str, Any]:
    upload_id = sent(api, gallery_id, contents, expect)
    assert api.complete(upload_id).status_code == 202
    return ended(api, upload_id)


def compared(api: Api, gallery_id: str, *files: tuple[str, bytes, bool]) -> list[dict[str, Any]]:
    body = [
        {"file_name": name, "size": len(content), **({"sha256": sha256(content)} if is_hashed else {})}
        for name, content, is_hashed in files
    ]
    answer = api.http.post(f"/v1/galleries/{gallery_id}/compare", json={"files": body})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["files"]
    return found


def decide(api: Api, upload_id: str, *files: tuple[str, str], **more: Any) -> httpx.Response:
    body = {"files": [{"file_name": name, "choice": choice} for name, choice in files], **more}
    return api.http.post(f"/v1/uploads/{upload_id}/decide", json=body)


def entries(api: Api, upload_id: str, **query: Any) -> list[dict[str, Any]]:
    """All entries of an upload, two a page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        given = {"limit": 2, **query, **({"cursor": cursor} if cursor else {})}
        page = api.http.get(f"/v1/uploads/{upload_id}/entries", params=given).json()
        found += page["entries"]
        if (cursor := page["next_cursor"]) is None:
            return found


def shown(api: Api, gallery_id: str) -> dict[str, str]:
    """The gallery's images by name, with their contents."""
    images = api.http.get(f"/v1/galleries/{gallery_id}/images", params={"order": "name"}).json()["images"]
    one = [(image["file_name"], b"", False) for image in images]
    return {item["file_name"]: item["sha256"] for item in compared(api, gallery_id, *one)} if one else {}


def test_a_gallery_is_compared_before_anything_is_sent(api: Api, gallery_id: str) -> None:
    assert [one["would"] for one in compared(api, gallery_id, ("a.jpg", A, True))] == ["add"]
    ingested(api, gallery_id, {"card1/a.jpg": A})
    first = compared(api, gallery_id, ("card1/a.jpg", A, False), ("a.jpg", A, False), ("x.jpg", b"x", False))
    assert [(one["would"], one["hash_wanted"]) for one in first] == [("replace", True), ("add", True), ("add", False)]
    same, moved, other = compared(api, gallery_id, ("card1/a.jpg", A, True), ("a.jpg", A, True), ("b.jpg", B, True))
    assert (same["would"], same["recipe"], same["sha256"]) == ("leave_unchanged", "current", sha256(A))
    assert (moved["would"], moved["recipe"], moved["same_content_as"]) == ("add", None, ["card1/a.jpg"])
    assert (other["would"], other["same_content_as"]) == ("add", [])
    image = api.http.get(f"/v1/galleries/{gallery_id}/images/{same['image_id']}").json()
    assert image["file_name"] == "card1/a.jpg"
    assert httpx.get(image["renditions"]["thumb"]["url"]).is_success


def test_faulty_files_of_a_comparison_are_all_named(api: Api, gallery_id: str) -> None:
    body = {"files": [{"file_name": name, "size": 1} for name in ("a.jpg", "../b.jpg", "a.jpg")]}
    answer = api.http.post(f"/v1/galleries/{gallery_id}/compare", json=body)
    refusal(answer, 422, "invalid_file_name")
    assert [(one["index"], one["code"]) for one in answer.json()["errors"]] == [
        (1, "invalid_file_name"),
        (2, "duplicate_file_name"),
    ]
    body = {"files": [{"file_name": "a.jpg", "size": 1, "sha256": "A" * 64}]}
    refusal(api.http.post(f"/v1/galleries/{gallery_id}/compare", json=body), 422, "invalid_request")


@pytest.mark.parametrize("first", [0, 1], ids=["in the order of presign", "in the other order"])
def test_of_two_people_one_is_told_and_nothing_is_lost(api: Api, gallery_id: str, first: int) -> None:
    contents = [{"a.jpg": A, "mine.jpg": A}, {"a.jpg": B, "yours.jpg": B}]
    for one in contents:
        assert compared(api, gallery_id, ("a.jpg", one["a.jpg"], True))[0]["would"] == "add"
    uploads = [sent(api, gallery_id, one) for one in contents]
    for index in (first, 1 - first):
        assert api.complete(uploads[index]).status_code == 202
    statuses = [ended(api, upload_id) for upload_id in uploads]
    # Whichever run came first.
    (told,) = [index for index, status in enumerate(statuses) if status["to_decide"]]
    assert statuses[told]["state"] == "completed_with_rejects"
    assert statuses[told]["counts"]["saved"] == 1
    assert statuses[1 - told]["counts"]["saved"] == 2
    winner = sha256(contents[1 - told]["a.jpg"])
    assert shown(api, gallery_id)["a.jpg"] == winner
    (entry,) = entries(api, uploads[told], outcome="rejected", reason="would_replace")
    assert (entry["file_name"], entry["stage"], entry["conflict"]["sha256"]) == ("a.jpg", "save", winner)
    assert len(entries(api, uploads[told])) == 2

    answer = decide(api, uploads[told], ("a.jpg", "keep_both"))
    assert answer.status_code == 202
    assert answer.json()["files"] == [{"file_name": "a.jpg", "choice": "keep_both", "new_name": "a (2).jpg"}]
    status = ended(api, uploads[told])
    assert (status["state"], status["counts"]["saved"], status["to_decide"]) == ("completed", 2, 0)
    assert shown(api, gallery_id)["a (2).jpg"] == sha256(contents[told]["a.jpg"])
    assert shown(api, gallery_id)["a.jpg"] == winner
    assert decide(api, uploads[told], ("a.jpg", "keep_both")).json()["files"] == answer.json()["files"]
    assert ended(api, uploads[told])["flow_run_id"] == status["flow_run_id"]
    refusal(decide(api, uploads[told], ("a.jpg", "skip")), 409, "conflict")


def test_what_is_refused_is_decided_by_name_and_for_all_the_rest(api: Api, stranger: Api, gallery_id: str) -> None:
    ingested(api, gallery_id, dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), A))
    refused = ingested(api, gallery_id, dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg"), B))
    assert (refused["counts"]["rejected"], refused["counts"]["saved"], refused["to_decide"]) == (3, 1, 3)
    upload_id = refused["upload_id"]
    bodies: list[dict[str, Any]] = [{}, {"files": []}, {"choice": "keep"}, {"files": [{"file_name": "a.jpg"}]}]
    for body in bodies:
        refusal(api.http.post(f"/v1/uploads/{upload_id}/decide", json=body), 422, "invalid_request")
    refusal(decide(api, upload_id, ("z.jpg", "skip")), 404, "not_found")
    refusal(decide(api, upload_id, ("d.jpg", "skip")), 409, "conflict")
    refusal(decide(api, upload_id, ("a.jpg", "skip"), ("a.jpg", "replace")), 422, "duplicate_file_name")

    # The holder of an upload link of the gallery may; of another one not.
    def link(gallery: str) -> str:
        token: str = api.http.post(f"/v1/galleries/{gallery}/upload-links").json()["token"]
        return f"Bearer {token}"

    stranger.http.headers["Authorization"] = link(f"{gallery_id}-b")
    refusal(decide(stranger, upload_id, choice="replace"), 403, "not_allowed")
    stranger.http.headers["Authorization"] = link(gallery_id)
    answer = decide(stranger, upload_id, ("a.jpg", "skip"), choice="replace")
    assert answer.status_code == 202, answer.text
    status = ended(api, upload_id)
    assert (status["state"], status["to_decide"]) == ("completed_with_rejects", 0)
    assert [(one["file_name"], one["reason"]) for one in status["problems"]] == [("a.jpg", "left_out")]
    assert shown(api, gallery_id) == {"a.jpg": sha256(A)} | dict.fromkeys(("b.jpg", "c.jpg", "d.jpg"), sha256(B))


def test_a_webhook_may_say_what_it_expects(api: Api, journeys: Journeys, gallery_id: str) -> None:
    ingested(api, gallery_id, {"a.jpg": A})
    keys = {name: f"{gallery_id}/{gallery_id}-u/{name}" for name in ("a.jpg", "b.jpg")}
    for key in keys.values():
        journeys.overwrite_staged(key, B)
    files = [{"key": key, "file_name": name, "expect": "absent"} for name, key in keys.items()]
    body = {"gallery_id": gallery_id, "upload_id": f"{gallery_id}-u", "files": files}
    assert api.webhook(body).status_code == 202
    assert ended(api, f"{gallery_id}-u")["to_decide"] == 1
    assert shown(api, gallery_id) == {"a.jpg": sha256(A), "b.jpg": sha256(B)}
    # The same upload with other expectations is another one.
    refusal(api.webhook({**body, "files": [{**file, "expect": sha256(A)} for file in files]}), 409, "conflict")
    assert api.webhook(body).status_code == 202


def test_a_replaced_image_comes_back(api: Api, second_api: SecondApi, journeys: Journeys, gallery_id: str) -> None:
    ingested(api, gallery_id, {"a.jpg": A})
    (image,) = api.http.get(f"/v1/galleries/{gallery_id}/images").json()["images"]
    address = f"/v1/galleries/{gallery_id}/images/{image['image_id']}"
    assert ingested(api, gallery_id, {"a.jpg": B}, expect=None)["counts"]["replaced"] == 1

    def versions() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = second_api.http.get(f"{address}/versions").json()["versions"]
        return found

    def restore(version: dict[str, Any]) -> httpx.Response:
        return second_api.http.post(f"{address}/versions/{version['version_id']}/restore")

    new, old = versions()
    assert [(one["sha256"], one["is_current"]) for one in (new, old)] == [(sha256(B), True), (sha256(A), False)]
    assert (new["kept_until"], new["superseded_at"]) == (None, None)
    kept_for = datetime.fromisoformat(old["kept_until"]) - datetime.now(UTC)
    assert timedelta(days=6) < kept_for <= timedelta(days=7)
    assert httpx.get(old["renditions"]["thumb"]["url"]).is_success
    # Accepted before the restoration: later than the version, earlier than the decision.
    waiting = sent(api, gallery_id, {"a.jpg": C}, expect=None)
    assert api.complete(waiting).status_code == 202
    ended(api, waiting)
    newest = versions()[0]
    assert newest["sha256"] == sha256(C)

    # Whoever has seen B as the current one does not mean C.
    refusal(
        second_api.http.post(path := f"{address}/versions/{old['version_id']}/restore", json={"expect": sha256(B)}),
        409,
        "changed_meanwhile",
    )
    assert shown(api, gallery_id) == {"a.jpg": sha256(C)}
    assert sum("/original" in key for key in journeys.library(gallery_id)) == 3
    answer = second_api.http.post(path, json={"expect": sha256(C)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["image_id"] == image["image_id"]
    assert httpx.get(answer.json()["renditions"]["thumb"]["url"]).is_success
    assert shown(api, gallery_id) == {"a.jpg": sha256(A)}
    assert compared(api, gallery_id, ("a.jpg", A, True))[0]["would"] == "leave_unchanged"
    assert [one["sha256"] for one in versions()] == [sha256(A), sha256(C), sha256(B), sha256(A)]
    # The same call again.
    assert restore(old).status_code == 200
    assert len(versions()) == 4
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(restore, [newest] * 3))
    assert {answer.status_code for answer in answers} == {200}
    # Whoever came second has left nothing behind.
    assert shown(api, gallery_id) == {"a.jpg": sha256(C)}
    assert sum("/original" in key for key in journeys.library(gallery_id)) == len(versions()) == 5
    assert restore(old).status_code == 200
    # What was current is kept in turn, and its files are copies that no deletion of the old ones takes away.
    assert restore(newest).status_code == 200
    assert shown(api, gallery_id) == {"a.jpg": sha256(C)}
    keys = journeys.library(gallery_id)
    assert sum("/original" in key for key in keys) == 7

    # Earlier in the order than the restoration, whatever run of it comes now.
    with transaction(journeys.engine) as session:
        for row in session.query(OutboxRow).filter(OutboxRow.key.startswith(f"{gallery_id}/")):
            row.done_at = datetime.now(UTC)
    refusal(restore(old), 409, "conflict")
    assert [one["kept_until"] for one in versions()] == [None] * 7
    refusal(second_api.http.post(f"{address}/versions/{image['image_id']}/restore"), 404, "not_found")
    elsewhere = f"/v1/galleries/{gallery_id}-b/images/{image['image_id']}"
    refusal(second_api.http.get(f"{elsewhere}/versions"), 404, "not_found")
    refusal(second_api.http.get(elsewhere), 404, "not_found")
    assert api.http.delete(address).status_code == 204
    assert versions() == []
    refusal(restore(old), 404, "not_found")
