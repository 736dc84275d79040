"""The page at `/`, once all has arrived: real Chromium, real S3, real runs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from gallery.runs import INGEST_QUEUE
from tests.e2e.browser.visitor import TIMEOUT, Visitor, photographs
from tests.journeys import Journeys, photo, wait_until, with_a_hole

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_a_dropped_folder_of_80_photographs_arrives_and_appears(
    visitor: Visitor, journeys: Journeys, gallery_id: str
) -> None:
    visitor.open()
    assert visitor.page.url.endswith(f"?gallery={gallery_id}"), "the token has left the address bar"
    visitor.drop(visitor.folder(photographs(80, 100_000)))
    visitor.sees("80 photographs, 8.0 MB")
    visitor.send(80)
    visitor.is_told_that_all_has_arrived()
    visitor.sees(
        "All photographs have arrived. The gallery is made from here on without this page, "
        "and nothing is lost when you close it."
    )
    visitor.sees_heading("All 80 photographs are in the gallery")
    assert set(journeys.current(gallery_id)) == {f"Wedding/{name}" for name in photographs(80)}
    thumbs = visitor.page.locator("#sheet img")
    expect(thumbs).to_have_count(80)
    for thumb in (thumbs.first, thumbs.last):
        thumb.scroll_into_view_if_needed()
        expect(thumb).to_have_js_property("naturalWidth", 320)


def test_on_a_phone_rejected_and_damaged_files_are_explained_in_plain_words(phone: Visitor) -> None:
    long_name = "a-very-long-name-without-any-space-in-it-" * 4
    files = {
        "fine.jpg": photo(1),
        "hole.jpg": with_a_hole(photo(4)),
        "broken.jpg": photo(2)[:5000],
        f"{long_name}.jpg": b"no photograph" * 99,
        f"{long_name}.nef": b"raw",
    }
    phone.open()
    phone.sees_heading("Choose the photographs")
    assert phone.is_within_its_width()
    phone.choose(phone.folder(files))
    phone.sees("1 file will not be sent")
    assert phone.is_within_its_width()
    phone.send(4)
    phone.sees_heading("2 of 4 photographs are in the gallery")
    phone.sees("1 photograph looks damaged; check it before you format the card")
    expect(phone.page.locator("#notes")).to_contain_text("Wedding/hole.jpg")
    phone.sees("2 photographs need your attention")
    for title, name in {
        "Incomplete file": "Wedding/broken.jpg",
        "Not a photograph": f"Wedding/{long_name}.jpg",
    }.items():
        group = phone.page.locator("#problems > li").filter(has_text=title)
        expect(group.get_by_text(name, exact=True)).to_be_visible()
        expect(group).to_contain_text("again")
    assert phone.is_within_its_width()
    phone.page.reload()
    phone.sees_heading("2 of 4 photographs are in the gallery")
    phone.sees("1 photograph looks damaged; check it before you format the card")
    phone.page.get_by_role("button", name="Send more photographs").click()
    phone.sees_heading("Choose the photographs")


def test_while_a_gallery_waits_the_page_says_what_for(phone: Visitor, journeys: Journeys, gallery_id: str) -> None:
    other, queue = f"{gallery_id}-other", f"/work_pools/gallery/queues/{INGEST_QUEUE}"
    shown = phone.page.locator("#watch-count")
    with ThreadPoolExecutor(1) as sender, journeys.queue_limit(INGEST_QUEUE, 1), journeys.held(other):
        sender.submit(journeys.send, other, {"a.jpg": photo(1)})
        wait_until(lambda: journeys.is_running(other) or None, "the other gallery to be at work")
        phone.open()
        phone.choose(phone.folder(photographs(2)))
        phone.send(2)
        # Other tests may have left uploads behind that nothing begins.
        expect(shown).to_have_text(re.compile(r"^Waiting: \d+ uploads? (is|are) ahead of yours$"), timeout=TIMEOUT)
        assert phone.is_within_its_width()
        journeys.prefect.patch(queue, json={"is_paused": True}).raise_for_status()
        try:
            expect(shown).to_contain_text("Processing is paused for now. Your photographs are safe", timeout=TIMEOUT)
            assert phone.is_within_its_width()
        finally:
            journeys.prefect.patch(queue, json={"is_paused": False}).raise_for_status()
    phone.sees_heading("All 2 photographs are in the gallery")
    expect(shown).to_have_text("2 of 2 photographs done")


ENDS = {
    "failed": "1 of 1 photograph is in the gallery",
    "cancelled": "This upload was stopped",
    "crashed": "Something went wrong here",
    "expired": "This upload has expired",
}


def test_every_end_is_told_and_one_that_is_retried_is_followed(
    visitor: Visitor, journeys: Journeys, gallery_id: str
) -> None:
    visitor.open()
    visitor.choose(visitor.folder(photographs(1)))
    visitor.send(1)
    visitor.sees_heading("The photograph is in the gallery")
    upload_id = journeys.upload_of(gallery_id).upload_id
    for state, told in ENDS.items():
        journeys.set_state(upload_id, state)
        visitor.page.reload()
        visitor.sees_heading(told)
        expect(visitor.page.get_by_role("button", name="Send more photographs")).to_be_visible()
        if state in ("failed", "crashed"):
            journeys.set_state(upload_id, "running")
            visitor.sees_heading("You may close this tab now")
            journeys.set_state(upload_id, "completed")
            visitor.sees_heading("The photograph is in the gallery")
