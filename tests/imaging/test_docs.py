"""The documentation of images says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

from gallery.errors import RejectionReason
from gallery.imaging.recipe import Limits, Style, Watermark
from gallery.imaging.styles_file import default_recipe, read_styles_file

DOCUMENT = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")


def test_every_reason_is_documented_with_what_the_photographer_can_do() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", DOCUMENT, re.M)
    assert {reason for reason, _, _ in rows} == set(get_args(RejectionReason))
    assert all(meaning and mend for _, meaning, mend in rows)


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    for words in (
        f"{limits.max_pixels:,}",
        f"{limits.max_file_bytes >> 20} MiB",
        f"{limits.max_memory_bytes >> 30} GiB",
        f"{limits.max_side:,} pixels",
        f"| {limits.max_frames:,} |",
    ):
        assert words in DOCUMENT, words


def test_the_styles_file_that_is_shown_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    match = re.search(r"```toml\n(.+?)```", DOCUMENT, re.S)
    assert match
    shown = tomllib.loads(match[1])
    (tmp_path / "styles.toml").write_text(match[1])
    (tmp_path / "mark.png").write_bytes(_mark())
    recipe = read_styles_file(tmp_path / "styles.toml")
    assert recipe.styles == (default_recipe().styles[0],)
    assert recipe.watermark == default_recipe().watermark
    # Every key there is, is shown.
    assert set(shown["styles"]["large"]) == {name for name in Style.__slots__ if name != "name"}
    assert set(shown["watermark"]) == {"file", *Watermark.__slots__} - {"image"}


def _mark() -> bytes:
    mark = default_recipe().watermark
    assert mark is not None
    return mark.image
