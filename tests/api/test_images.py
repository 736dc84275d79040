"""The images of a gallery as an application lists them, and what deletion does to rows, objects and order."""

from __future__ import annotations

import io
import itertools
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import ExifTags, Image
from sqlalchemy import Engine, func, select, update

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import EntryRow, ImageRow, OutboxRow, UploadRow, VersionRow
from gallery.catalogue.uploads import accept
from gallery.storage.s3 import Storage
from tests.conftest import Servers
from tests.journeys import photo, wait_until
from tests.second_api import SecondApi


def dated(seed: int, moment: str | None) -> bytes:
    """A small photograph that says when it was taken."""
    picture = Image.open(io.BytesIO(photo(seed)))
    exif = Image.Exif()
    if moment:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif)
    return file.getvalue()


PHOTOS = {
    "b.jpg": dated(1, "2026:06:20 10:00:00"),
    "a.jpg": dated(2, "2026:06:20 12:00:00"),
    "ü d.jpg": dated(3, None),
    "c.jpg": dated(4, "2026:06:20 12:00:00"),
    "broken.jpg": b"\xff\xd8\xff\xe0 not really",
}
BY_TIME = ["b.jpg", "a.jpg", "c.jpg", "ü d.jpg"]


@pytest.fixture(scope="module")
def gallery(second_api: SecondApi) -> dict[str, Any]:
    """A gallery with four photographs and a broken file, with the application's own references."""
    gallery_id = f"g-{uuid4().hex[:12]}"
    status = second_api.ingest(
        gallery_id,
        PHOTOS,
        metadata={"order": 7},
        **{"a.jpg": {"metadata": {"row": 42}}, "broken.jpg": {"metadata": {"row": 43}}},
    )
    assert status["state"] == "completed_with_rejects"
    return status


def listed(second_api: SecondApi, gallery_id: str, **query: Any) -> dict[str, Any]:
    answer = second_api.http.get(f"/v1/galleries/{gallery_id}/images", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_metadata_comes_back_with_status_problems_and_images(second_api: SecondApi, gallery: dict[str, Any]) -> None:
    assert gallery["metadata"] == {"order": 7}
    assert [(item["file_name"], item["metadata"]) for item in gallery["problems"]] == [("broken.jpg", {"row": 43})]
    images = {item["file_name"]: item for item in listed(second_api, gallery["gallery_id"])["images"]}
    assert images["a.jpg"]["metadata"] == {"row": 42}
    assert images["b.jpg"]["metadata"] == {}


def test_images_come_by_capture_time_or_by_name_page_by_page(second_api: SecondApi, gallery: dict[str, Any]) -> None:
    gallery_id = gallery["gallery_id"]
    for order, expected in (("captured_at", BY_TIME), ("name", sorted(BY_TIME))):
        for limit in (1, 2, 3, 4, 100):
            names: list[str] = []
            cursor: str | None = None
            while True:
                page = listed(
                    second_api, gallery_id, order=order, limit=limit, **({"cursor": cursor} if cursor else {})
                )
                names += [item["file_name"] for item in page["images"]]
                if (cursor := page["next_cursor"]) is None:
                    break
            assert names == expected
    image = listed(second_api, gallery_id)["images"][0]
    assert image["captured_at"].startswith("2026-06-20T10:00:00")
    assert (image["width"], image["height"], image["source_format"]) == (640, 480, "JPEG")


def test_a_cursor_is_good_for_its_own_list_only(second_api: SecondApi, gallery: dict[str, Any]) -> None:
    path = f"/v1/galleries/{gallery['gallery_id']}/images"
    cursor = listed(second_api, gallery["gallery_id"], limit=1)["next_cursor"]
    for query in ({"cursor": cursor, "order": "name"}, {"cursor": "AAAA"}, {"cursor": "é"}, {"cursor": "WyJhIl0"}):
        answer = second_api.http.get(path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    assert second_api.http.get(f"/v1/galleries/{uuid4().hex}/images").status_code == 404


def test_renditions_open_by_presigned_address_and_by_the_stable_one(
    second_api: SecondApi, gallery: dict[str, Any]
) -> None:
    image = listed(second_api, gallery["gallery_id"])["images"][0]
    for style, made in image["renditions"].items():
        answer = httpx.get(made["url"])
        assert answer.status_code == 200
        assert len(answer.content) == made["bytes"]
        assert Image.open(io.BytesIO(answer.content)).size == (made["width"], made["height"])
        stable = second_api.http.get(
            f"/v1/galleries/{gallery['gallery_id']}/images/{image['image_id']}/{style}", follow_redirects=False
        )
        assert stable.status_code == 307
        assert httpx.get(stable.headers["location"]).content == answer.content
    missing = second_api.http.get(f"/v1/galleries/{gallery['gallery_id']}/images/{image['image_id']}/nosuch")
    assert missing.status_code == 404


def keys_of(storage: Storage, gallery_id: str) -> set[str]:
    """All objects of a gallery, in both buckets."""
    buckets = (storage.uploads_bucket, storage.library_bucket)
    pages = itertools.chain.from_iterable(storage.list_pages(bucket, f"{gallery_id}/") for bucket in buckets)
    return {item.key for page in pages for item in page}


def test_a_deleted_image_is_gone_with_its_objects_and_comes_back_by_a_later_upload_only(
    second_api: SecondApi, engine: Engine, storage: Storage, gallery_id: str
) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2)}
    first = second_api.ingest(gallery_id, files)
    # Accepted before the deletion, but not ingested yet: as a slow or a failed run would be.
    early = second_api.open_upload(gallery_id, {"a.jpg": photo(3)})
    hold_back(engine, early["upload_id"])
    images = {item["file_name"]: item for item in listed(second_api, gallery_id)["images"]}
    path = f"/v1/galleries/{gallery_id}/images/{images['a.jpg']['image_id']}"

    assert second_api.http.delete(path).status_code == 204
    assert [item["file_name"] for item in listed(second_api, gallery_id)["images"]] == ["b.jpg"]
    thumb = next(iter(images["a.jpg"]["renditions"]))
    assert second_api.http.get(f"{path}/{thumb}").status_code == 404
    kept = {key for key in keys_of(storage, gallery_id) if key.startswith(f"{gallery_id}/{first['upload_id']}/2/")}
    assert len(kept) == 1 + len(images["b.jpg"]["renditions"])
    wait_until(
        lambda: keys_of(storage, gallery_id) == kept | {f"{gallery_id}/{first['upload_id']}/b.jpg"} or None,
        "the image's objects to be deleted",
    )
    with transaction(engine) as session:
        entries = session.scalars(select(EntryRow).where(EntryRow.upload_id == first["upload_id"])).all()
        assert [row.outcome for row in entries] == ["saved", "saved"]
    # A repetition is as good as the first.
    assert second_api.http.delete(path).status_code == 204
    assert second_api.http.delete(f"/v1/galleries/{gallery_id}/images/{uuid4()}").status_code == 404

    # The earlier upload's run comes only now: the deletion was later, so nothing comes back.
    second_api.put(early, {"a.jpg": photo(3)})
    let_go(engine, early["upload_id"])
    ended = second_api.wait_for(early["upload_id"], "completed", "failed")
    assert (ended["state"], ended["counts"]["superseded"]) == ("completed", 1)
    assert [item["file_name"] for item in listed(second_api, gallery_id)["images"]] == ["b.jpg"]

    again = second_api.ingest(gallery_id, {"a.jpg": photo(1)})
    assert again["counts"]["saved"] == 1
    shown = {item["file_name"]: item["upload_id"] for item in listed(second_api, gallery_id)["images"]}
    assert shown == {"a.jpg": again["upload_id"], "b.jpg": first["upload_id"]}


def hold_back(engine: Engine, upload_id: str) -> None:
    """Accept an upload without starting it."""
    with transaction(engine) as session:
        accept(session, upload_id).start_after = None


def let_go(engine: Engine, upload_id: str) -> None:
    with transaction(engine) as session:
        row = session.get(UploadRow, upload_id)
        assert row is not None
        row.start_after = func.now()


def test_a_deleted_gallery_is_empty_and_no_upload_from_before_fills_it(
    second_api: SecondApi, engine: Engine, storage: Storage
) -> None:
    gallery_id = f"g-{uuid4().hex[:12]}"
    assert second_api.http.delete(f"/v1/galleries/{gallery_id}").status_code == 404
    second_api.ingest(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2)})
    waiting = second_api.open_upload(gallery_id, {"new.jpg": photo(3)})
    second_api.put(waiting, {"new.jpg": photo(3)})
    hold_back(engine, waiting["upload_id"])
    opened = second_api.open_upload(gallery_id, {"never.jpg": photo(4)})

    assert second_api.http.delete(f"/v1/galleries/{gallery_id}").status_code == 204
    assert listed(second_api, gallery_id) == {"images": [], "next_cursor": None}
    assert second_api.status(opened["upload_id"])["state"] == "cancelled"
    refused = second_api.http.post(f"/v1/uploads/{opened['upload_id']}/complete")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")

    let_go(engine, waiting["upload_id"])
    ended = second_api.wait_for(waiting["upload_id"], "completed", "failed")
    assert (ended["state"], ended["counts"]["superseded"]) == ("completed", 1)
    assert listed(second_api, gallery_id)["images"] == []
    wait_until(
        lambda: keys_of(storage, gallery_id) == {f"{gallery_id}/{waiting['upload_id']}/new.jpg"} or None,
        "the gallery's objects to be deleted",
    )
    with transaction(engine) as session:
        images = session.scalars(select(ImageRow).where(ImageRow.gallery_id == gallery_id)).all()
        assert {row.current_version_id for row in images} == {None}
        assert not session.scalars(
            select(VersionRow)
            .join(ImageRow, ImageRow.image_id == VersionRow.image_id)
            .where(ImageRow.gallery_id == gallery_id)
        ).all()


def test_a_deletion_that_storage_does_not_take_is_tried_again(
    second_api: SecondApi, engine: Engine, storage: Storage, gallery_id: str, servers: Servers
) -> None:
    opened = second_api.open_upload(gallery_id, {"a.jpg": photo(1)})
    second_api.put(opened, {"a.jpg": photo(1)})
    with servers.s3.fault("POST", rf"^/{storage.uploads_bucket}/?$", status=503) as fault:
        assert second_api.http.delete(f"/v1/galleries/{gallery_id}").status_code == 204
        wait_until(lambda: fault.seen or None, "a try")
    with transaction(engine) as session:
        mine = OutboxRow.upload_id == opened["upload_id"]
        session.execute(update(OutboxRow).where(mine, OutboxRow.done_at.is_(None)).values(due_at=func.now()))
    wait_until(lambda: not keys_of(storage, gallery_id) or None, "the deletion to be repeated")
