"""The pipeline, judged by the pixels of its renditions."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageStat

from gallery.imaging.recipe import Anchor, Limits, Recipe, Style, Watermark
from gallery.imaging.render import render
from gallery.imaging.styles_file import default_recipe
from tests.imaging.pictures import (
    ORIENTATION_TAG,
    RED,
    UPRIGHT,
    corner_colours,
    mean_colour,
    near,
    plain_recipe,
    quarters,
    rendered,
)

KINDS = [
    *(("in.jpg", mode) for mode in ("L", "RGB", "CMYK")),
    *(("in.png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("in.tif", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "LAB")),
    *(("in.webp", mode) for mode in ("RGB", "RGBA")),
]


def test_fits_inside_cover_and_pad(tmp_path: Path) -> None:
    quarters(800, 400).save(tmp_path / "in.png")
    recipe = Recipe(
        (
            Style("inside", 200, 200, format="png"),
            Style("cover", 200, 200, "cover", "png"),
            Style("pad", 200, 200, "pad", "png", background=(1, 2, 3)),
            Style("huge", 3000, 1500, "cover", "png"),
        )
    )
    inside, cover, pad, huge = rendered(tmp_path / "in.png", tmp_path, recipe).renditions
    assert (inside.width, inside.height) == (200, 100)
    assert (cover.width, cover.height) == (200, 200)
    assert corner_colours(cover.path) == UPRIGHT
    assert (pad.width, pad.height) == (200, 200)
    with Image.open(pad.path) as image:
        assert image.getpixel((100, 10)) == (1, 2, 3)
        assert near(image.getpixel((50, 75)), RED)  # type: ignore[arg-type]
    assert (huge.width, huge.height) == (800, 400)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    boxes=st.lists(st.integers(1, 900), min_size=1, max_size=3, unique=True),
    kind=st.sampled_from(KINDS),
    orientation=st.integers(1, 8),
    fit=st.sampled_from(["inside", "cover"]),
    file_format=st.sampled_from(["jpeg", "webp", "png"]),
)
def test_no_rendition_is_larger_than_its_source_or_its_box(
    tmp_path: Path,
    width: int,
    height: int,
    boxes: list[int],
    kind: tuple[str, str],
    orientation: int,
    fit: str,
    file_format: str,
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    name, mode = kind
    Image.new(mode, (width, height)).save(tmp_path / name, exif=exif)
    result = rendered(tmp_path / name, tmp_path, plain_recipe(*boxes, fit=fit, format=file_format))
    upright = (width, height) if orientation < 5 else (height, width)
    assert (result.width, result.height) == upright
    for box, rendition in zip(boxes, result.renditions, strict=True):
        assert 1 <= rendition.width <= min(box, upright[0])
        assert 1 <= rendition.height <= min(box, upright[1])
        if fit == "inside":
            scale = min(box / upright[0], box / upright[1], 1)
            assert abs(rendition.width - max(1, upright[0] * scale)) <= 0.5
            assert abs(rendition.height - max(1, upright[1] * scale)) <= 0.5
        with Image.open(rendition.path) as image:
            assert image.size == (rendition.width, rendition.height)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_it_is_resampled_as_pillow_resamples_at_once(mode: str, tmp_path: Path) -> None:
    noise = Image.effect_noise((700, 500), 80)
    Image.merge("RGB", (noise, noise.rotate(180), noise)).convert(mode).save(tmp_path / "in.jpg")
    made = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(400, format="png")).renditions[0]
    with Image.open(tmp_path / "in.jpg") as source, Image.open(made.path) as image:
        at_once = source.resize((400, 286), Image.Resampling.LANCZOS)
        assert image.convert("RGB").tobytes() == at_once.convert("RGB").tobytes()


def test_the_watermark_is_on_large_and_medium_and_not_on_thumb(tmp_path: Path) -> None:
    grey = (128, 128, 128)
    Image.new("RGB", (3000, 2000), grey).save(tmp_path / "in.jpg", quality=95)
    by_style = {r.style: r for r in render(tmp_path / "in.jpg", tmp_path, default_recipe(), Limits()).renditions}
    for style, marked in (("large", True), ("medium", True), ("thumb", False)):
        with Image.open(by_style[style].path) as image:
            width, height = image.size
            mark = image.crop((width * 3 // 4, height * 3 // 4, width, height)).convert("L")
            rest = image.crop((0, 0, width // 2, height)).convert("L")
        ((low, high),) = ImageStat.Stat(mark).extrema
        assert (high > 190) is marked, style
        assert (low < 100) is marked, style
        assert all(abs(level - 128) < 4 for level in ImageStat.Stat(rest).extrema[0]), style


def test_a_watermark_fits_on_the_smallest_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 3)).save(tmp_path / "in.png")
    assert rendered(tmp_path / "in.png", tmp_path, default_recipe()).renditions[0].width == 1


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    quarters(640, 400).save(tmp_path / "in.jpg")
    first = [r.path.read_bytes() for r in rendered(tmp_path / "in.jpg", tmp_path, default_recipe()).renditions]
    again = [r.path.read_bytes() for r in rendered(tmp_path / "in.jpg", tmp_path, default_recipe()).renditions]
    assert first == again


@pytest.mark.parametrize("anchor", ["top-left", "top-right", "center", "bottom-left", "bottom-right"])
def test_the_watermark_goes_where_its_options_say(tmp_path: Path, anchor: Anchor) -> None:
    Image.new("RGB", (600, 400), (0, 0, 0)).save(tmp_path / "in.png")
    white = BytesIO()
    Image.new("RGBA", (50, 10), (255, 255, 255, 255)).save(white, format="PNG")
    mark = Watermark(white.getvalue(), anchor=anchor, scale=0.5, margin=0.1, opacity=0.6, smallest=10)
    recipe = Recipe((Style("one", 300, 300, format="png", watermark=True),), mark)
    with Image.open(rendered(tmp_path / "in.png", tmp_path, recipe).renditions[0].path) as image:
        grey = image.convert("L")
    # The rendition has 300 x 200 pixels: the mark is 100 wide, 20 high, 20 away from the edges.
    across, down = {"center": (100, 90)}.get(anchor, (20 if "left" in anchor else 180, 20 if "top" in anchor else 160))
    assert grey.getbbox() == (across, down, across + 100, down + 20)
    assert grey.getpixel((across + 50, down + 10)) == 153


def test_a_watermark_is_never_smaller_than_its_smallest_size(tmp_path: Path) -> None:
    Image.new("RGB", (600, 400), (0, 0, 0)).save(tmp_path / "in.png")
    white = BytesIO()
    Image.new("RGBA", (50, 10), (255, 255, 255, 255)).save(white, format="PNG")
    mark = Watermark(white.getvalue(), scale=0.01, margin=0, smallest=60)
    recipe = Recipe((Style("one", 300, 300, format="png", watermark=True),), mark)
    with Image.open(rendered(tmp_path / "in.png", tmp_path, recipe).renditions[0].path) as image:
        assert image.convert("L").getbbox() == (240, 188, 300, 200)


def test_sharpening_steepens_edges_and_leaves_flat_parts_alone(tmp_path: Path) -> None:
    Image.effect_noise((900, 600), 60).convert("RGB").save(tmp_path / "noise.png")
    Image.new("RGB", (900, 600), (120, 130, 140)).save(tmp_path / "flat.png")
    contrast = {}
    for percent in (0, 100, 200):
        recipe = plain_recipe(300, format="png", sharpening=percent)
        with Image.open(rendered(tmp_path / "noise.png", tmp_path, recipe).renditions[0].path) as image:
            contrast[percent] = ImageStat.Stat(image.convert("L")).stddev[0]
        assert mean_colour(rendered(tmp_path / "flat.png", tmp_path, recipe).renditions[0].path) == (120, 130, 140)
    assert contrast[0] < contrast[100] < contrast[200]


def test_the_original_stays_as_it_is(tmp_path: Path) -> None:
    quarters(640, 400).save(tmp_path / "in.jpg")
    before = (tmp_path / "in.jpg").read_bytes()
    rendered(tmp_path / "in.jpg", tmp_path, default_recipe())
    assert (tmp_path / "in.jpg").read_bytes() == before


@pytest.mark.parametrize(
    ("quality", "subsampling", "sampled"),
    [
        (85, "auto", (2, 2)),
        (89, "auto", (2, 2)),
        (90, "auto", (1, 1)),
        (100, "4:2:0", (2, 2)),
        (60, "4:2:2", (2, 1)),
        (60, "4:4:4", (1, 1)),
    ],
)
def test_colour_is_sampled_in_full_from_quality_90_on_unless_the_style_says_otherwise(
    tmp_path: Path, quality: int, subsampling: str, sampled: tuple[int, int]
) -> None:
    quarters(200, 100).save(tmp_path / "in.png")
    recipe = plain_recipe(100, quality=quality, subsampling=subsampling)
    with Image.open(rendered(tmp_path / "in.png", tmp_path, recipe).renditions[0].path) as image:
        _, *luma, _ = image.layer[0]  # type: ignore[attr-defined]
        assert tuple(luma) == sampled


def test_a_jpeg_has_huffman_tables_of_its_own(photograph: Path, tmp_path: Path) -> None:
    made = rendered(photograph, tmp_path, plain_recipe(500)).renditions[0]
    with Image.open(made.path) as image:
        plain = BytesIO()
        image.save(plain, "JPEG", quality="keep", icc_profile=image.info["icc_profile"])
    assert made.bytes < len(plain.getvalue())
