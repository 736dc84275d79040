"""The page refuses the file kinds that the server names, and keeps no list of its own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import gallery
from gallery.imaging.formats import DECODED_FORMATS, UNSUPPORTED_EXTENSIONS, content_type_of

PAGE = Path(gallery.__file__).parent / "page"
ALL_EXTENSIONS = sorted(extension for extensions in UNSUPPORTED_EXTENSIONS.values() for extension in extensions)
LIMITS = {
    "max_file_bytes": 1000,
    "max_files": 1000,
    "unsupported_kinds": UNSUPPORTED_EXTENSIONS,
    "unsupported_extensions": ALL_EXTENSIONS,
}
TITLES = {"raw": "Camera RAW", "video": "Video", "other": "Not supported"}
# These are extensions, and words of JavaScript or English as well.
ORDINARY_WORDS = {"fits", "hdr", "html", "json", "raw", "rgb", "ts"}

PROGRAM = """
import { readFileSync } from "node:fs";
import { sortOut } from "./check.js";
const { names, limits } = JSON.parse(readFileSync(0, "utf8"));
const files = names.map((name) => ({ name, file: { size: 1, type: "", lastModified: 0 } }));
console.log(JSON.stringify(sortOut(files, limits)));
"""

SortOut = Callable[[Sequence[str], Mapping[str, Any]], dict[str, Any]]


@pytest.fixture
def sort_out(node: str) -> SortOut:
    """`sortOut` of check.js, run by Node.js."""

    def run(names: Sequence[str], limits: Mapping[str, Any]) -> dict[str, Any]:
        given = json.dumps({"names": names, "limits": limits})
        done = subprocess.run(
            [node, "--input-type=module", "--eval", PROGRAM],
            cwd=PAGE,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        sorted_out: dict[str, Any] = json.loads(done.stdout)
        return sorted_out

    return run


def test_every_unsupported_extension_is_refused_in_the_words_of_its_kind(sort_out: SortOut) -> None:
    names = [f"card/IMG_1.{extension.upper()}" for extension in ALL_EXTENSIONS]
    answer = sort_out(names, LIMITS)
    assert answer["good"] == []
    assert {one["name"]: one["title"] for one in answer["refused"]} == {
        f"card/IMG_1.{extension.upper()}": f"{TITLES[kind]} (.{extension})"
        for kind, extensions in UNSUPPORTED_EXTENSIONS.items()
        for extension in extensions
    }
    assert all(one["advice"] for one in answer["refused"])


def test_decoded_formats_and_unknown_files_are_sent(sort_out: SortOut) -> None:
    names = [f"photo{source_format.extension}" for source_format in DECODED_FORMATS]
    names += ["photo.JPEG", "photo.tiff", "photo.heif", "photo.hif", "photo.unknown", "photo"]
    answer = sort_out(names, LIMITS)
    assert [one["name"] for one in answer["good"]] == sorted(names)
    assert answer["refused"] == []


def test_an_older_server_without_kinds_is_understood(sort_out: SortOut) -> None:
    limits = {"max_file_bytes": 1000, "max_files": 1000, "unsupported_extensions": ["cr3", "mov"]}
    answer = sort_out(["a.cr3", "b.jpg", "c.MOV"], limits)
    assert [one["name"] for one in answer["good"]] == ["b.jpg"]
    assert [one["title"] for one in answer["refused"]] == ["Not supported (.cr3)", "Not supported (.mov)"]


def test_a_kind_that_a_newer_server_adds_is_refused_too(sort_out: SortOut) -> None:
    limits = {**LIMITS, "unsupported_kinds": {"hologram": ["holo"]}}
    assert [one["title"] for one in sort_out(["a.holo"], limits)["refused"]] == ["Not supported (.holo)"]


def test_the_pages_modules_name_no_unsupported_extension() -> None:
    for module in (file for file in sorted(PAGE.rglob("*.js")) if "vendor" not in file.parts):
        words = set(re.findall(r"[a-z0-9]+", module.read_text(encoding="utf-8").lower()))
        assert words & set(ALL_EXTENSIONS) <= ORDINARY_WORDS, module.name


def test_the_content_types_that_browsers_lack_are_those_of_the_server() -> None:
    listed = re.search(r"TYPES = \{(.*)\};", (PAGE / "check.js").read_text(encoding="utf-8"))
    assert listed is not None
    types = dict(re.findall(r'(\w+): "(.+?)"', listed[1]))
    assert len(types) == 4
    assert types == {extension: content_type_of(f".{extension}") for extension in types}
