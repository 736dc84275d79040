"""The page at `/`, where photographs meet others in the gallery: real Chromium, real S3, real runs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, Route, expect

from tests.conftest import Servers, runs_have
from tests.e2e.browser.stalled_connections import POSTS
from tests.e2e.browser.visitor import TIMEOUT, Visitor
from tests.journeys import Journeys, photo

pytestmark = pytest.mark.usefixtures("warm_runs")


def digests(files: Mapping[str, bytes], folder: str) -> dict[str, str]:
    return {f"{folder}/{name}": hashlib.sha256(content).hexdigest() for name, content in files.items()}


def shown(journeys: Journeys, gallery_id: str) -> dict[str, str]:
    """SHA-256 of what a gallery has, by file name."""
    return {name: version.sha256 for name, version in journeys.current(gallery_id).items()}


def row_of(visitor: Visitor, name: str) -> Locator:
    return visitor.page.locator(".row.pair").filter(has=visitor.page.get_by_text(name, exact=True))


def sees_both(visitor: Visitor, name: str) -> None:
    """See the gallery's photograph and another, side by side."""
    expect(row_of(visitor, name).locator('.picture[data-state="shown"]')).to_have_count(2, timeout=TIMEOUT)


def delete(servers: Servers, gallery_id: str, name: str) -> None:
    """Delete an image, as somebody else does who has a key."""
    images = f"{servers.info.api_url}/v1/galleries/{gallery_id}/images"
    with httpx.Client(headers={"Authorization": f"Bearer {servers.info.api_key}"}) as client:
        listed = client.get(images).raise_for_status().json()["images"]
        (image_id,) = (image["image_id"] for image in listed if image["file_name"] == name)
        client.delete(f"{images}/{image_id}").raise_for_status()


@contextmanager
def another_upload_under_way(visitor: Visitor) -> Iterator[None]:
    """Every comparison says that the files may be among those of another upload."""

    def answer(route: Route) -> None:
        body = route.fetch().json()
        for file in body["files"]:
            file["under_way_as"] = ["elsewhere.jpg"]
        route.fulfill(json=body)

    visitor.page.route("**/compare", answer)
    yield
    visitor.page.unroute("**/compare")


def turned(content: bytes) -> bytes:
    """The same photograph of a camera that was held upright, as EXIF says."""
    picture, turned = Image.open(io.BytesIO(content)), io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(turned, "JPEG", exif=exif)
    return turned.getvalue()


def test_nothing_is_replaced_unasked_and_nothing_is_sent_twice(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    wedding = {f"card{card}/IMG_{number}.JPG": photo(10 * card + number) for card in (1, 2) for number in (1, 2)}
    card1 = {"IMG_1.JPG": wedding["card1/IMG_1.JPG"], "IMG_2.JPG": wedding["card1/IMG_2.JPG"]}
    second_camera = {name: turned(photo(100 + seed)) for seed, name in enumerate(wedding)}
    finish = visitor.page.get_by_role("button", name="Finish", exact=True)
    more = visitor.page.get_by_role("button", name="Send more photographs")
    visitor.open()
    visitor.drop(visitor.folder(wedding))
    visitor.send(4)
    visitor.sees_heading("All 4 photographs are in the gallery")
    sent = digests(wedding, "Wedding")
    assert shown(journeys, gallery_id) == sent

    with servers.s3.fault("POST", POSTS) as posts:
        for folder, count in ((visitor.folder(wedding), 4), (visitor.folder(card1, "card1"), 2)):
            more.click()
            visitor.drop(folder)
            visitor.sees(f"All {count} photographs are in the gallery already")
            finish.click()
            visitor.sees_heading(f"All {count} photographs are in the gallery already")
    assert posts.seen == 0
    assert len(visitor.calls("/uploads")) == 1

    more.click()
    visitor.drop(visitor.folder(wedding))
    visitor.sees("All 4 photographs are in the gallery already")
    delete(servers, gallery_id, "Wedding/card1/IMG_2.JPG")
    finish.click()
    visitor.sees_part("1 photograph that was in the gallery already is no longer there")
    visitor.send(1)
    visitor.sees_heading("All 4 photographs are in the gallery")
    assert shown(journeys, gallery_id) == sent

    more.click()
    visitor.drop(visitor.folder(second_camera, "again/Wedding"))
    visitor.sees("4 photographs have names that are already in use")
    sees_both(visitor, "Wedding/card1/IMG_1.JPG")
    preview = row_of(visitor, "Wedding/card1/IMG_1.JPG").locator("img").last
    assert preview.evaluate("picture => picture.naturalWidth < picture.naturalHeight"), "as its camera was held"
    visitor.sees("Yours is added as IMG_1 (2).JPG")
    visitor.send(4)
    visitor.sees_heading("All 4 photographs are in the gallery")
    added = {name.replace(".JPG", " (2).JPG"): content for name, content in second_camera.items()}
    assert shown(journeys, gallery_id) == sent | digests(added, "Wedding")


def test_a_photograph_is_replaced_where_somebody_chooses_so_and_can_be_brought_back(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    first = {f"{name}.jpg": photo(seed) for seed, name in enumerate("abce")}
    second = {f"{name}.jpg": photo(10 + seed) for seed, name in enumerate("abcde")}

    visitor.expected_console_errors = r"status of 404 .*/restore"

    def keeping_replaced(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"keep_replaced_days": 7})

    visitor.page.route("**/v1/limits", keeping_replaced)
    journeys.send(gallery_id, {f"Wedding/{name}": content for name, content in first.items()})
    before = digests(first, "Wedding")
    after = digests(second, "Wedding")
    visitor.open()
    with another_upload_under_way(visitor):
        visitor.choose(visitor.folder(second))
        visitor.sees("4 photographs have names that are already in use")
        visitor.page.get_by_text("Replace", exact=True).first.click()
        sees_both(visitor, "Wedding/a.jpg")
        former = row_of(visitor, "Wedding/a.jpg").locator("img").first.get_attribute("src") or ""
        renewed = {"a.jpg": photo(20)}
        journeys.send(gallery_id, {"Wedding/a.jpg": renewed["a.jpg"]})
        before |= digests(renewed, "Wedding")
    visitor.sees("Changed in the gallery since you chose. Yours is added as a (2).jpg")
    sees_both(visitor, "Wedding/a.jpg")
    expect(row_of(visitor, "Wedding/a.jpg").locator(f'img[src^="{former.partition("?")[0]}"]')).to_have_count(0)
    visitor.page.get_by_label("What to do with Wedding/a.jpg").select_option("Replace")
    visitor.page.get_by_label("What to do with Wedding/b.jpg").select_option("Skip")
    visitor.page.get_by_label("What to do with Wedding/c.jpg").select_option("Keep both")
    with runs_have(servers, env={"GALLERY_PROCESSORS": "1", "GALLERY_KEEP_REPLACED_DAYS": "7"}):
        visitor.send(4)
        visitor.sees_heading("All 4 photographs are in the gallery")
    visitor.sees("1 skipped, as you chose")
    kept = before | {
        "Wedding/a.jpg": after["Wedding/a.jpg"],
        "Wedding/c (2).jpg": after["Wedding/c.jpg"],
        "Wedding/d.jpg": after["Wedding/d.jpg"],
        "Wedding/e.jpg": after["Wedding/e.jpg"],
    }
    assert shown(journeys, gallery_id) == kept

    visitor.sees("2 photographs replaced an earlier version")
    visitor.page.get_by_role("button", name="See them side by side").click()
    shown_pictures = visitor.page.locator('#replaced-list .picture[data-state="shown"]')
    expect(shown_pictures).to_have_count(4, timeout=TIMEOUT)
    now = row_of(visitor, "Wedding/a.jpg").locator("img").last
    replacing = now.get_attribute("src")
    visitor.page.get_by_role("button", name="Bring back the earlier version of Wedding/a.jpg").click()
    visitor.sees("The earlier version is back in the gallery")
    assert shown(journeys, gallery_id) == kept | {"Wedding/a.jpg": before["Wedding/a.jpg"]}
    visitor.sees_heading("3 of 4 photographs are in the gallery")
    expect(shown_pictures).to_have_count(4, timeout=TIMEOUT)
    assert now.get_attribute("src") != replacing, "the gallery shows the earlier version again"

    # Somebody else deletes one that replaced another, and one that was new.
    for name in ("Wedding/d.jpg", "Wedding/e.jpg"):
        delete(servers, gallery_id, name)
    visitor.page.get_by_role("button", name="Bring back the earlier version of Wedding/e.jpg").click()
    visitor.sees("No longer in the gallery")
    visitor.sees_heading("1 of 4 photographs is in the gallery")
    visitor.sees_part("3 photographs of yours are no longer shown")
    expect(visitor.page.locator("#announcements")).to_contain_text("1 of 4 photographs is in the gallery")
    expect(visitor.page.locator("#sheet img")).to_have_count(4)
    expect(visitor.page.get_by_alt_text("Wedding/d.jpg")).to_have_count(0)
    visitor.page.reload()
    visitor.sees_heading("1 of 4 photographs is in the gallery")
    visitor.page.get_by_role("button", name="See them side by side").click()
    visitor.sees("No longer in the gallery")


def test_what_came_under_the_same_names_meanwhile_is_decided_about_on_the_page(
    visitor: Visitor, journeys: Journeys, gallery_id: str
) -> None:
    mine = {f"{name}.jpg": photo(seed) for seed, name in enumerate("abcd")}
    theirs = {f"{name}.jpg": photo(10 + seed) for seed, name in enumerate("abc")}
    visitor.open()
    with another_upload_under_way(visitor):
        visitor.choose(visitor.folder(mine))
        visitor.sees_part("Another upload of this gallery is being worked on. 4 of your photographs may be among it: ")
        expect(visitor.page.get_by_role("button", name="Send 4 photographs")).to_be_disabled()
        visitor.page.get_by_role("button", name="Do not wait").click()
        visitor.sees("4 photographs, 160 kB")
        visitor.choose(visitor.folder({"broken.mov": b""}, "More"))
        visitor.sees("1 file will not be sent")
        visitor.sees("4 photographs, 160 kB")
        expect(visitor.page.get_by_role("button", name="Send 4 photographs")).to_be_enabled()
    journeys.send(gallery_id, {f"Wedding/{name}": content for name, content in theirs.items()})
    visitor.send(4)
    visitor.sees_heading("1 of 4 photographs is in the gallery")
    visitor.sees("3 photographs were not added: someone else added others with the same names in the meantime")
    # Nothing looks as if it were finished.
    expect(visitor.page.locator("#watch-count")).to_have_text("1 of 4 photographs done")
    expect(visitor.page.locator("#watching")).to_have_attribute("data-state", "to_decide")
    sees_both(visitor, "Wedding/a.jpg")
    before = digests(theirs, "Wedding") | {"Wedding/d.jpg": digests(mine, "Wedding")["Wedding/d.jpg"]}
    assert shown(journeys, gallery_id) == before

    visitor.page.reload()
    visitor.sees("3 photographs were not added: someone else added others with the same names in the meantime")
    visitor.page.get_by_label("What to do with Wedding/b.jpg").select_option("Replace")
    visitor.page.get_by_label("What to do with Wedding/c.jpg").select_option("Skip")
    other_tab = visitor.page.context.new_page()
    other_tab.goto(visitor.link)
    expect(other_tab.get_by_role("button", name="Confirm")).to_be_visible(timeout=TIMEOUT)
    deciding: list[Route] = []

    def hold(route: Route) -> None:
        deciding.append(route)

    visitor.page.route("**/decide", hold)
    with visitor.page.expect_request("**/decide"):
        visitor.page.get_by_role("button", name="Confirm").click()
    expect(visitor.page.get_by_label("What to do with Wedding/b.jpg")).to_be_disabled()
    deciding.pop().continue_()
    visitor.sees_heading("3 of 4 photographs are in the gallery")
    visitor.sees("The other one was skipped, as you chose. You may close this tab.")
    other_tab.get_by_role("button", name="Confirm").click()
    expect(other_tab.locator("#watch-note")).to_have_text(
        "Someone else has decided already: 1 to be kept under a name with a number, 1 to replace the gallery's, "
        "1 skipped. Your choice was not used."
    )
    sent = digests(mine, "Wedding")
    changed = {"Wedding/a (2).jpg": sent["Wedding/a.jpg"], "Wedding/b.jpg": sent["Wedding/b.jpg"]}
    assert shown(journeys, gallery_id) == before | changed
