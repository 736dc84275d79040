"""A photographer's browser: Chromium, opened on the page of the running stack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.conftest import Servers
from tests.e2e.browser.visitor import Visitor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No sandbox: containers have none. The rest keeps the browser from calling its makers.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. A module's, not the session's: Playwright's event loop must not run while other tests do."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def upload_link(servers: Servers, gallery_id: str) -> str:
    """A link to the page."""
    return make_link(servers, gallery_id)


def make_link(servers: Servers, gallery_id: str, hours: int = 24) -> str:
    """Ask for a link to the page, as a web application does."""
    answer = httpx.post(
        f"{servers.info.api_url}/v1/galleries/{gallery_id}/upload-links",
        headers={"Authorization": f"Bearer {servers.info.api_key}"},
        json={"expires_in_seconds": 3600 * hours},
    )
    assert answer.status_code == 201, answer.text
    link: str = answer.json()["url"]
    return link


@pytest.fixture
def visitor(browser: Browser, upload_link: str, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody with an upload link, at a desk."""
    with visiting(browser.new_context(viewport={"width": 1280, "height": 900}), upload_link, tmp_path) as visitor:
        yield visitor


@pytest.fixture
def phone(browser: Browser, upload_link: str, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody with an upload link and a small phone, who likes it dark and without motion."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark", reduced_motion="reduce"
    )
    with visiting(context, upload_link, tmp_path) as visitor:
        yield visitor


@contextmanager
def visiting(context: BrowserContext, link: str, tmp_path: Path) -> Iterator[Visitor]:
    """A visit; what the browser requested and logged is checked at its end."""
    try:
        visitor = Visitor(context, link, tmp_path)
        yield visitor
        visitor.check_requests_and_console()
    finally:
        context.close()
