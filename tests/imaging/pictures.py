"""Pictures made for the tests, and what is read back from renditions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.recipe import Limits, Recipe, Style
from gallery.imaging.render import RenderedImage, render

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 40)
UPRIGHT = [RED, GREEN, BLUE, YELLOW]
ORIENTATION_TAG = 0x0112
DATA = Path(__file__).parent / "data"


def quarters(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Red, green / blue, yellow: no two orientations of it look the same."""
    image = Image.new("RGB", (width, height))
    half_width, half_height = width // 2, height // 2
    image.paste(RED, (0, 0, half_width, half_height))
    image.paste(GREEN, (half_width, 0, width, half_height))
    image.paste(BLUE, (0, half_height, half_width, height))
    image.paste(YELLOW, (half_width, half_height, width, height))
    return image.convert(mode)


def reason_of(path: Path, limits: Limits | None = None, out: Path | None = None) -> tuple[str, str]:
    """Why `path` is rejected, as its code and in words."""
    with pytest.raises(RejectedImage) as caught:
        render(path, out or path.parent, plain_recipe(), limits or Limits())
    return caught.value.reason, str(caught.value)


def plain_recipe(*sizes: int, **style: object) -> Recipe:
    """A recipe of square boxes without a watermark."""
    return Recipe(tuple(Style(f"s{size}", size, size, **style) for size in sizes or (64,)))  # type: ignore[arg-type]


def rendered(source: Path, out: Path, recipe: Recipe | None = None) -> RenderedImage:
    return render(source, out, recipe or plain_recipe(), Limits())


def corner_colours(path: Path) -> list[tuple[int, int, int]]:
    """The colours in the middle of the four quarters, row by row."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    width, height = picture.size
    at = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [picture.getpixel(place) for place in at]  # type: ignore[misc]


def mean_colour(path: Path) -> tuple[int, int, int]:
    """The colour of a rendition that is all of one colour."""
    with Image.open(path) as image:
        return image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[return-value]


def near(one: tuple[int, ...], other: tuple[int, ...], within: int = 6) -> bool:
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))
