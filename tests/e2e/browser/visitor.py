"""A person who uses the page, and what their browser requested and logged meanwhile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, expect

from tests.journeys import WAIT_SECONDS, photo, write_folder

LOOPBACK = {"127.0.0.1", "localhost"}
TIMEOUT = WAIT_SECONDS * 1000  # milliseconds


def photographs(count: int, size: int = 0) -> dict[str, bytes]:
    """Small photographs; `size` is in bytes."""
    return {
        f"card{1 + seed % 2}/IMG_{seed:04}.JPG": photo(seed, (320, 240)).ljust(size, b"\0") for seed in range(count)
    }


class Visitor:
    """A tab on the page, opened with an upload link."""

    def __init__(self, context: BrowserContext, link: str, tmp_path: Path) -> None:
        self.link, self._tmp_path = link, tmp_path
        self.page: Page = context.new_page()
        self.requests: list[Request] = []
        self.console_errors: list[str] = []
        self.expected_console_errors = ""
        """A pattern of what this test provokes: Chromium also logs answers that the page handles."""
        self.page.set_default_timeout(TIMEOUT)
        # Once and for all: asked for with each press of a key, Chromium hears of it now and then only after the key.
        self.page.on("filechooser", lambda _: None)
        self.page.on("request", self._record_request)
        self.page.on("console", self._record_console)
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _record_request(self, request: Request) -> None:
        self.requests.append(request)

    def _record_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console_errors.append(f"{message.text} {message.location.get('url', '')}")

    def check_requests_and_console(self) -> None:
        """Check that only loopback was requested, no script failed, and nothing broke the content security policy."""
        hosts = {urlsplit(request.url).hostname for request in self.requests if request.url.startswith("http")}
        assert hosts <= LOOPBACK
        expected = re.compile(self.expected_console_errors or r"(?!)")
        assert [text for text in self.console_errors if not expected.search(text)] == []

    def open(self) -> None:
        self.page.goto(self.link)

    def folder(self, files: Mapping[str, bytes], name: str = "Wedding") -> Path:
        """A folder on the visitor's disk."""
        return write_folder(self._tmp_path / name, files)

    def drop(self, folder: Path, screen: str = "#choose-field:visible, #resume-field:visible") -> None:
        """Drop a folder from the desktop on the page, as the operating system hands it over, once it shows `screen`."""
        expect(self.page.locator(screen)).to_be_visible()
        devtools = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
        devtools.detach()

    def choose(self, folder: Path) -> None:
        """Choose a folder with the page's button."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name=re.compile("Choose (a|the) folder")).click()
        chooser.value.set_files(folder)

    def send(self, count: int) -> None:
        photographs = f"{count:,} photograph{'s' if count != 1 else ''}"
        self.page.get_by_role("button", name=f"Send {photographs}", exact=True).click()

    def sees_heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1, name=text)).to_be_visible(timeout=TIMEOUT)

    def is_told_that_all_has_arrived(self) -> None:
        """The tab may be closed; a small gallery may even be finished by the time one looks."""
        told = re.compile("You may close this tab now|in the gallery$")
        expect(self.page.locator("#watch-heading")).to_have_text(told, timeout=TIMEOUT)

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text, exact=True).filter(visible=True).first).to_be_visible(timeout=TIMEOUT)

    def sees_part(self, text: str) -> None:
        """See a sentence within a longer text."""
        expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible(timeout=TIMEOUT)

    def is_within_its_width(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        fits: bool = self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        return fits

    def calls(self, path: str) -> list[Request]:
        """Requests to the API whose path ends so."""
        return [request for request in self.requests if urlsplit(request.url).path.endswith(path)]
