"""The page at `/`, while photographers send: real Chromium, real S3. What the runs make of it is another module's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Dialog, Route, expect
from sqlalchemy import Engine, select

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from tests.conftest import Servers
from tests.e2e.browser.conftest import make_link
from tests.e2e.browser.stalled_connections import POSTS, stalled_connections
from tests.e2e.browser.visitor import TIMEOUT, Visitor, photographs
from tests.journeys import Journeys, photo

SIGN = "**/sign"


@pytest.fixture(scope="module", autouse=True)
def _no_run_is_started(servers: Servers, engine: Engine) -> Iterator[None]:
    """Ops have paused the pool: runs wait, and are cancelled in the end."""
    pool = f"{servers.info.prefect_api_url}/work_pools/gallery"
    httpx.patch(pool, json={"is_paused": True}).raise_for_status()
    try:
        yield
        with transaction(engine) as session:
            uploads = session.scalars(select(UploadRow.upload_id).where(UploadRow.state == "accepted")).all()
        key = {"Authorization": f"Bearer {servers.info.api_key}"}
        for upload in uploads:
            cancel = f"{servers.info.api_url}/v1/uploads/{upload}/cancel"
            assert httpx.post(cancel, headers=key).status_code == 202
    finally:
        httpx.patch(pool, json={"is_paused": False}).raise_for_status()


def test_after_a_reload_the_same_folder_sends_only_the_rest(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    folder = visitor.folder(photographs(40))
    visitor.page.on("dialog", lambda dialog: dialog.accept())
    visitor.open()
    with stalled_connections(servers.s3, after=15):
        visitor.choose(folder)
        visitor.send(40)
        expect(visitor.page.locator("#send-count")).to_contain_text("15 of 40 photographs")
        visitor.page.reload()
        visitor.sees_heading("Go on where you stopped")
    expect(visitor.page.locator("#resume-text")).to_contain_text("15 of 40 photographs have arrived")
    with servers.s3.fault("POST", POSTS) as posts:
        visitor.choose(folder)
        visitor.is_told_that_all_has_arrived()
    assert posts.seen == 25
    assert len(journeys.staged(gallery_id)) == 40


def test_what_is_no_longer_in_the_folder_can_be_left_out(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    folder = visitor.folder(photographs(4))
    visitor.page.on("dialog", lambda dialog: dialog.accept())
    visitor.open()
    with stalled_connections(servers.s3, after=1):
        visitor.choose(folder)
        visitor.send(4)
        expect(visitor.page.locator("#send-count")).to_contain_text("1 of 4 photographs")
        visitor.page.reload()
    # They were sent side by side: any of the four may be the one that arrived.
    arrived = {key.split("/", 2)[2] for key in journeys.staged(gallery_id)}
    gone = min({f"Wedding/{name}" for name in photographs(4)} - arrived)
    (folder.parent / gone).unlink()
    visitor.choose(folder)
    visitor.sees("1 photograph could not be sent")
    visitor.sees(gone)
    expect(visitor.page.locator("#send-count")).to_contain_text("3 of 4 photographs")
    visitor.page.get_by_role("button", name="Finish with the 3 that arrived").click()
    visitor.is_told_that_all_has_arrived()
    assert len(journeys.staged(gallery_id)) == 3


def test_leaving_is_warned_of_while_sending_and_not_afterwards(visitor: Visitor, servers: Servers) -> None:
    warnings: list[str] = []

    def leave_all_the_same(dialog: Dialog) -> None:
        warnings.append(dialog.type)
        dialog.accept()

    visitor.page.on("dialog", leave_all_the_same)
    visitor.open()
    with stalled_connections(servers.s3, after=1):
        visitor.choose(visitor.folder(photographs(3)))
        visitor.send(3)
        expect(visitor.page.locator("#send-count")).to_contain_text("1 of 3 photographs")
        visitor.page.reload()
    assert warnings == ["beforeunload"]
    visitor.choose(visitor.folder(photographs(3)))
    visitor.is_told_that_all_has_arrived()
    visitor.page.reload()
    visitor.is_told_that_all_has_arrived()
    assert warnings == ["beforeunload"]


def test_files_that_would_be_refused_are_named_before_anything_is_sent(
    visitor: Visitor, journeys: Journeys, gallery_id: str
) -> None:
    name = "Café.jpg"
    files = {
        "good.jpg": photo(1),
        unicodedata.normalize("NFC", name): photo(2),
        unicodedata.normalize("NFD", name): photo(3) + b"\0",
        "raw/DSC_0001.NEF": b"II*\0",
        "clips/MOV_0002.MPG": b"\0\0\1\xba",
        "empty.jpg": b"",
        "bad\\name.jpg": photo(4),
        ".DS_Store": b"litter",
        "__MACOSX/good.jpg": b"litter",
    }
    folder = visitor.folder(files)
    with (folder / "huge.tif").open("wb") as file:
        file.truncate(201 * 1024 * 1024)
    visitor.open()
    visitor.drop(folder)
    visitor.sees("6 files will not be sent")
    visitor.sees("2 hidden or system files left out.")
    groups = visitor.page.locator("#refused > li")
    for title, file_name in {
        "Camera RAW (.nef)": "raw/DSC_0001.NEF",
        "Video (.mpg)": "clips/MOV_0002.MPG",
        "Empty file": "empty.jpg",
        "Larger than 210 MB": "huge.tif",
        "Twice the same name": unicodedata.normalize("NFC", name),
        "The name has a backslash": "bad\\name.jpg",
    }.items():
        group = groups.filter(has=visitor.page.get_by_role("heading", name=re.compile("^" + re.escape(title))))
        expect(group.get_by_text(f"Wedding/{file_name}", exact=True)).to_be_visible()
    assert visitor.calls("/uploads") == []
    visitor.send(2)
    visitor.is_told_that_all_has_arrived()
    sent = {key.split("/", 2)[2] for key in journeys.staged(gallery_id)}
    assert sent == {"Wedding/good.jpg", f"Wedding/{unicodedata.normalize('NFC', name)}"}


def test_files_that_the_server_refuses_are_left_out_in_one_step(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    visitor.expected_console_errors = r"status of 422|net::ERR_EMPTY_RESPONSE"
    # An older tab, which does not know yet what this server refuses.
    known = {"max_file_bytes": 1e12, "max_files": 10_000, "unsupported_extensions": []}
    visitor.page.route("**/v1/limits", lambda route: route.fulfill(json=known))
    visitor.open()
    visitor.choose(visitor.folder({"a.jpg": photo(1), "b.mov": b"film", "c.nef": b"raw", "d.jpg": photo(2)}))
    with stalled_connections(servers.s3, after=1):
        visitor.send(4)
        visitor.sees("2 files were left out")
        group = visitor.page.locator("#send-left-out li").filter(has_text="Unsupported kind of file").first
        for name in ("Wedding/b.mov", "Wedding/c.nef"):
            expect(group.get_by_text(name, exact=True)).to_be_visible()
    visitor.is_told_that_all_has_arrived()
    visitor.page.reload()
    visitor.sees("2 files were left out")
    assert {key.split("/", 2)[2] for key in journeys.staged(gallery_id)} == {"Wedding/a.jpg", "Wedding/d.jpg"}
    assert len(visitor.calls("/uploads")) == 2


def test_a_name_of_an_upload_under_way_is_waited_for(visitor: Visitor, journeys: Journeys, gallery_id: str) -> None:
    other = journeys.accept(gallery_id, {"Wedding/a.jpg": photo(1)})
    send = visitor.page.locator("#send")
    visitor.open()
    visitor.choose(visitor.folder({"a.jpg": photo(2), "b.jpg": photo(3)}))
    choice = visitor.page.get_by_label("What to do with Wedding/a.jpg")
    visitor.sees("2 photographs")
    visitor.sees_part("2 of your photographs may be among it: Wedding/a.jpg and Wedding/b.jpg.")
    visitor.page.get_by_role("button", name="Do not wait").click()
    expect(choice).to_have_value("keep_both")
    expect(send).to_be_enabled()
    visitor.sees("1 photograph has a name that another upload is using")
    visitor.sees("In another upload")
    choice.select_option("Wait")
    visitor.sees("2 photographs, 1 of them waits")
    visitor.sees_part("Another upload in progress has 1 photograph with the same name.")
    expect(send).to_be_disabled()
    visitor.expected_console_errors = r"status of 401"
    visitor.page.route("**/compare", lambda route: route.fulfill(status=401, json={"code": "unauthorized"}))
    visitor.sees("This upload link has expired. Ask for a new one and open it in this tab: your choice is kept.")
    visitor.page.unroute("**/compare")
    visitor.open()
    expect(visitor.page.locator("#send-problem")).to_be_hidden()
    choice.select_option("Keep both")
    expect(send).to_have_text("Send 2 photographs")
    expect(send).to_be_enabled()
    visitor.sees("Yours is added as a (2).jpg")
    choice.select_option("Skip")
    expect(send).to_have_text("Send 1 photograph")
    assert journeys.api.post(f"/v1/uploads/{other}/cancel").status_code == 202
    # The gallery has nothing of this name any more, so that there is nothing to choose.
    expect(visitor.page.locator("#conflicts-part")).to_be_hidden(timeout=TIMEOUT)
    visitor.send(2)
    visitor.is_told_that_all_has_arrived()


def test_a_name_that_looks_like_markup_is_only_ever_text(visitor: Visitor) -> None:
    name = "<img src=x onerror=document.title='owned'>.nef"
    visitor.open()
    visitor.drop(visitor.folder({name: b"raw", "good.jpg": photo(1)}))
    visitor.sees(f"Wedding/{name}")
    assert "owned" not in visitor.page.title()


def test_what_storage_refuses_for_a_moment_is_sent_again_by_itself(
    visitor: Visitor, servers: Servers, journeys: Journeys, gallery_id: str
) -> None:
    visitor.expected_console_errors = r"status of 503"
    visitor.open()
    with servers.s3.fault("POST", POSTS, status=503, times=1) as posts:
        visitor.choose(visitor.folder(photographs(8)))
        visitor.send(8)
        visitor.is_told_that_all_has_arrived()
    assert posts.seen == 9
    assert len(journeys.staged(gallery_id)) == 8


def test_expired_signatures_are_replaced_by_fresh_ones(visitor: Visitor, servers: Servers) -> None:
    visitor.expected_console_errors = r"status of 403"
    visitor.open()
    with servers.s3.fault("POST", POSTS, status=403, times=5):
        visitor.choose(visitor.folder(photographs(8)))
        visitor.send(8)
        visitor.is_told_that_all_has_arrived()
    assert 1 <= len(visitor.calls("/sign")) <= 2, "one call for all that were refused together"


def test_a_store_without_posted_forms_gets_puts_also_from_an_older_server_that_cannot_compare(
    visitor: Visitor, journeys: Journeys, gallery_id: str
) -> None:
    visitor.expected_console_errors = r"status of 404"
    visitor.page.route("**/compare", lambda route: route.fulfill(status=404, json={"code": "not_found"}))

    def with_puts(route: Route) -> None:
        answer, declaration = route.fetch().json(), route.request.post_data_json
        assert declaration is not None
        for file, declared in zip(answer["files"], declaration["files"], strict=True):
            assert "expect" not in declared
            size, content_type = declared["size"], declared["content_type"]
            url = journeys.storage.presign_put(file["key"], size=size, content_type=content_type, expires_seconds=600)
            file |= {"method": "PUT", "url": url, "fields": {}, "headers": {"Content-Type": content_type}}
        route.fulfill(status=201, json=answer)

    visitor.page.route("**/uploads", with_puts)
    visitor.open()
    visitor.choose(visitor.folder(photographs(3)))
    visitor.send(3)
    visitor.is_told_that_all_has_arrived()
    assert len(journeys.staged(gallery_id)) == 3


def test_sending_waits_for_a_lost_connection(visitor: Visitor, servers: Servers) -> None:
    visitor.expected_console_errors = r"ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_EMPTY_RESPONSE"
    visitor.open()
    with stalled_connections(servers.s3, after=5):
        visitor.choose(visitor.folder(photographs(12)))
        visitor.send(12)
        expect(visitor.page.locator("#send-count")).to_contain_text("5 of 12 photographs")
        visitor.page.context.set_offline(True)
        visitor.sees("No connection: goes on by itself once it is back")
    visitor.page.context.set_offline(False)
    visitor.is_told_that_all_has_arrived()


def test_pause_stops_sending_until_told_to_go_on(visitor: Visitor, servers: Servers) -> None:
    visitor.open()
    with stalled_connections(servers.s3, after=4):
        visitor.choose(visitor.folder(photographs(12)))
        visitor.send(12)
        expect(visitor.page.locator("#send-count")).to_contain_text("4 of 12 photographs")
        visitor.page.get_by_role("button", name="Pause").click()
        visitor.sees("Paused")
    visitor.page.get_by_role("button", name="Go on").click()
    visitor.is_told_that_all_has_arrived()


def test_the_keyboard_alone_is_enough(visitor: Visitor) -> None:
    visitor.open()
    visitor.sees_heading("Choose the photographs")
    press_until_focused(visitor, "Choose a folder")
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.keyboard.press("Enter")
    chooser.value.set_files(visitor.folder(photographs(4)))
    press_until_focused(visitor, "Send 4 photographs")
    visitor.page.keyboard.press("Enter")
    visitor.is_told_that_all_has_arrived()
    expect(visitor.page.get_by_role("heading", level=1)).to_be_focused()


def test_without_a_link_the_page_asks_for_gallery_and_key(visitor: Visitor, servers: Servers, gallery_id: str) -> None:
    visitor.expected_console_errors = r"status of (401|404)"
    visitor.page.goto(visitor.link.partition("?")[0])
    visitor.page.get_by_label("Gallery").fill(gallery_id)
    visitor.page.get_by_label("Key").fill("a key that nobody has")
    visitor.page.get_by_role("button", name="Go on").click()
    visitor.sees("This key is not accepted. Check that it was copied whole.")
    visitor.page.get_by_label("Key").fill(servers.info.api_key)
    visitor.page.keyboard.press("Enter")
    visitor.sees_heading("Choose the photographs")


def test_an_expired_link_is_replaced_by_a_new_one_without_choosing_again(visitor: Visitor, servers: Servers) -> None:
    controls, late = visitor.page.locator("#choose button:visible"), "was not added. Drop it again afterwards."
    presigning: list[Route] = []

    def hold(route: Route) -> None:
        presigning.append(route)

    visitor.expected_console_errors = r"status of 401|net::ERR_EMPTY_RESPONSE"
    visitor.page.goto(visitor.link[:-3])
    visitor.choose(visitor.folder(photographs(1)))
    visitor.sees("This upload link has expired. Ask for a new one and open it in this tab: your choice is kept.")
    visitor.open()
    visitor.page.route("**/uploads", hold)
    with visitor.page.expect_request("**/uploads"):
        visitor.send(1)
    # Nothing that is done now could be obeyed.
    visitor.sees("Preparing …")
    assert not any(control.is_enabled() for control in controls.all())
    visitor.drop(visitor.folder(photographs(2), "More"))
    visitor.sees_part(late)
    presigning.pop().fulfill(status=401, json={"code": "unauthorized"})
    visitor.sees_part(
        "This upload link has expired. Ask for a new one, open it in this tab and press Send again: "
        "your choice is kept."
    )
    assert all(control.is_enabled() for control in controls.all())
    visitor.open()
    with visitor.page.expect_request("**/uploads"):
        visitor.send(1)
    visitor.sees("Preparing …")
    visitor.drop(visitor.folder(photographs(2), "More"))
    visitor.sees_part(late)
    with stalled_connections(servers.s3, after=0):
        presigning.pop().continue_()
        visitor.sees_heading("Sending your photographs")
        visitor.sees_part(late)
    visitor.is_told_that_all_has_arrived()
    visitor.sees_part(late)
    visitor.drop(visitor.folder(photographs(2), "More"), "#watching")
    visitor.sees_part("To add it, press “Send more photographs” at the end of this upload and drop it again.")


def test_a_link_that_expires_while_sending_is_replaced_and_sending_goes_on(
    visitor: Visitor, servers: Servers, gallery_id: str
) -> None:
    visitor.expected_console_errors = r"status of (401|403)"
    visitor.open()
    visitor.choose(visitor.folder(photographs(12)))
    # A night later: neither the signatures nor the link are good any more.
    visitor.page.route(SIGN, lambda route: route.fulfill(status=401, json={"code": "unauthorized", "detail": ""}))
    with servers.s3.fault("POST", POSTS, status=403):
        visitor.send(12)
        visitor.sees(
            "This upload link has expired. Ask for a new one and open it in this tab: sending goes on where it is."
        )
    visitor.page.unroute(SIGN)
    visitor.link = make_link(servers, gallery_id, hours=1)
    visitor.open()
    visitor.is_told_that_all_has_arrived()


def test_the_screen_stays_on_while_photographs_are_sent_and_no_longer(visitor: Visitor, servers: Servers) -> None:
    visitor.page.add_init_script(
        """
        window.held = 0;
        navigator.wakeLock.request = async (kind) => {
          window.held += kind === "screen";
          return { release: async () => { window.held -= 1; } };
        };
        """
    )
    # Of the two that are cut off; none where Chromium sends them again by itself, as on a line that it has used before.
    visitor.expected_console_errors = r"net::ERR_EMPTY_RESPONSE"
    visitor.open()
    with stalled_connections(servers.s3, after=2):
        visitor.choose(visitor.folder(photographs(4)))
        assert visitor.page.evaluate("held") == 0
        visitor.send(4)
        expect(visitor.page.locator("#send-count")).to_contain_text("2 of 4 photographs")
        assert visitor.page.evaluate("held") == 1
    visitor.is_told_that_all_has_arrived()
    assert visitor.page.evaluate("held") == 0


def test_a_list_of_1361_files_has_only_the_rows_one_can_see(visitor: Visitor, servers: Servers) -> None:
    files = {f"IMG_{number:04}.jpg": b"x" for number in range(1361)}
    visitor.page.on("dialog", lambda dialog: dialog.accept())
    visitor.open()
    visitor.drop(visitor.folder(files))
    with stalled_connections(servers.s3, after=3):
        visitor.send(1361)
        expect(visitor.page.locator("#send-count")).to_contain_text("3 of 1,361 photographs")
        assert 10 <= visitor.page.locator("#files li").count() <= 40
        visitor.page.locator("#files").evaluate("list => list.scrollTop = list.scrollHeight")
        expect(visitor.page.get_by_text("IMG_1360.jpg")).to_be_visible()
        assert visitor.page.locator("#files li").count() <= 40
        visitor.page.close()


def press_until_focused(visitor: Visitor, name: str) -> None:
    """Press Tab until a button has the focus, and see that one sees it."""
    button = visitor.page.get_by_role("button", name=name)
    expect(button).to_be_enabled()
    for _ in range(20):
        visitor.page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    expect(button).to_be_focused()
    assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
