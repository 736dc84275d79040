"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gallery.api.app import create_app
from gallery.settings import (
    ClientSettings,
    HistorySettings,
    ServingSettings,
    Settings,
    StackSettings,
    load_settings,
    variable,
)
from tests.conftest import PROJECT

SERVERS = {
    "GALLERY_DATABASE_URL": "postgresql://user:password@127.0.0.1/catalogue",
    "GALLERY_UPLOADS_BUCKET": "uploads",
    "GALLERY_LIBRARY_BUCKET": "library",
}


def test_every_setting_is_documented_and_no_other() -> None:
    page = (PROJECT / "docs/settings.md").read_text()
    in_table = re.findall(r"^\| `(GALLERY_\w+)`", page, re.MULTILINE)
    assert sorted(in_table) == sorted(variable(name) for name in [*Settings.model_fields, "home"])
    # The few that are not the pipeline's own are described in the text behind the table.
    others = {
        variable(name) for kind in (ServingSettings, ClientSettings, HistorySettings) for name in kind.model_fields
    }
    assert set(re.findall(r"`(GALLERY_\w+)`", page)) == {*in_table, *others}


def test_every_setting_of_the_local_stack_is_documented() -> None:
    page = (PROJECT / "docs/local-stack.md").read_text()
    assert {variable(name) for name in StackSettings.model_fields} <= set(re.findall(r"`(GALLERY_\w+)`", page))


def test_every_route_is_documented_and_no_other() -> None:
    documented = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`]*)`", (PROJECT / "docs/api.md").read_text())
    paths = create_app(load_settings(SERVERS)).openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert set(documented) == routes


@pytest.mark.parametrize(
    "page",
    [
        *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md")),
        *sorted((PROJECT / "docs").rglob("*.md")),
    ],
    ids=lambda page: str(page.relative_to(PROJECT)),
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)\s]+)\)|src=\"(?!https?://)([^\"]+)\"", text)
    for target in (one or other for one, other in targets):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual viewers make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_files_that_maps_name_are_there(page: str) -> None:
    named = re.findall(
        r"`((?:gallery|flows|tasks|tests|deployments|bench|docs)/[\w./-]+)`", (PROJECT / page).read_text()
    )
    assert len(named) > 2
    assert [path for path in named if not (PROJECT / path).exists() and "NAME" not in path] == []
