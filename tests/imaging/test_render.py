"""The pipeline, judged by the pixels of its renditions."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import (
    BLUE,
    GREEN,
    ORIENTATION_TAG,
    RED,
    YELLOW,
    corner_colours,
    near,
    plain_recipe,
    quarters,
    rendered,
)
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageStat

from gallery.imaging.profiles import matrix_profile, srgb_profile
from gallery.imaging.recipe import Limits, Recipe, Style, default_recipe
from gallery.imaging.render import render

P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
UPRIGHT = [RED, GREEN, BLUE, YELLOW]
# What EXIF's orientation n means: how the upright picture has to be turned to be stored with it.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, file_format: str) -> None:
    upright = quarters(640, 400)
    turn = STORED_AS[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored.save(tmp_path / "in", format=file_format, exif=exif, quality=95)

    result = rendered(tmp_path / "in", tmp_path)

    assert (result.width, result.height) == (640, 400)
    (rendition,) = result.renditions
    assert (rendition.width, rendition.height) == (64, 40)
    assert all(map(near, corner_colours(rendition.path), UPRIGHT, [12] * 4))
    with Image.open(rendition.path) as image:
        assert image.size == (64, 40)
        assert ORIENTATION_TAG not in image.getexif()


@pytest.mark.parametrize("broken", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path, broken: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = broken
    quarters(100, 60).save(tmp_path / "in.jpg", exif=exif)
    assert (rendered(tmp_path / "in.jpg", tmp_path).width) == 100


def _in_srgb(stored: tuple[int, int, int], gamma: float, matrix: list[list[float]]) -> tuple[int, ...]:
    """The same colour in sRGB by formula (IEC 61966-2-1), by the published matrix between linear lights."""
    light = [(value / 255) ** gamma for value in stored]
    mixed = [sum(m * v for m, v in zip(row, light, strict=True)) for row in matrix]
    encoded = [12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in mixed]
    return tuple(round(255 * min(1.0, max(0.0, value))) for value in encoded)


ADOBE_TO_SRGB = [[1.3983, -0.3983, 0.0], [0.0, 1.0, 0.0], [0.0, -0.0429, 1.0429]]
P3_TO_SRGB = [[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]]
ADOBE_RGB = matrix_profile("Adobe RGB", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
SAGE = (120, 160, 90)


@pytest.mark.parametrize(
    ("profile", "stored", "shown"),
    [
        (ADOBE_RGB, SAGE, _in_srgb(SAGE, 563 / 256, ADOBE_TO_SRGB)),
        (matrix_profile("P3, gamma 2.2", P3, 2.2), (180, 100, 80), _in_srgb((180, 100, 80), 2.2, P3_TO_SRGB)),
        (ADOBE_RGB, (128, 128, 128), _in_srgb((128, 128, 128), 563 / 256, ADOBE_TO_SRGB)),
    ],
    ids=["Adobe RGB", "Display P3", "grey"],
)
def test_wide_gamut_colours_are_converted_to_srgb(
    tmp_path: Path, profile: bytes, stored: tuple[int, int, int], shown: tuple[int, int, int]
) -> None:
    Image.new("RGB", (64, 64), stored).save(tmp_path / "in.png", icc_profile=profile)
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, format="png"))
    with Image.open(result.renditions[0].path) as image:
        assert near(image.getpixel((32, 32)), shown, 2)  # type: ignore[arg-type]
        assert image.info["icc_profile"] == srgb_profile()


def test_adobe_rgb_that_only_exif_names_is_converted_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0xA001] = 65535
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R03"}
    Image.new("RGB", (64, 64), SAGE).save(tmp_path / "in.jpg", exif=exif, quality=100)
    result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(64, format="png"))
    shown = _in_srgb(SAGE, 563 / 256, ADOBE_TO_SRGB)
    assert all(near(colour, shown, 4) for colour in corner_colours(result.renditions[0].path))


def test_a_picture_in_srgb_keeps_its_colours_exactly(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.png", icc_profile=srgb_profile())
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, format="png"))
    assert corner_colours(result.renditions[0].path) == UPRIGHT


def test_a_broken_profile_is_noted_and_not_fatal(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg", icc_profile=b"no profile at all" * 20, quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path)
    assert "ICC profile not usable" in result.metadata["notes"][0]
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


def test_renditions_are_tagged_with_a_profile_that_readers_know_as_srgb(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg")
    for file_format in ("jpeg", "png", "webp", "avif"):
        result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(64, format=file_format))
        with Image.open(result.renditions[0].path) as image:
            profile = ImageCms.getOpenProfile(BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_a_colour_jpeg(tmp_path: Path, mode: str) -> None:
    picture = quarters(64, 48)
    if mode == "I;16":
        picture = picture.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    else:
        picture = picture.quantize(16) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "in.png")
    result = rendered(tmp_path / "in.png", tmp_path)
    with Image.open(result.renditions[0].path) as image:
        assert (image.mode, image.size) == ("RGB", (64, 48))
        expected = quarters(64, 48).convert("1" if mode == "1" else "L" if mode in ("L", "LA", "I;16") else "RGB")
        difference = ImageStat.Stat(ImageChops.difference(image, expected.convert("RGB"))).mean
    assert max(difference) < 12


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_colour_jpegs(tmp_path: Path, mode: str) -> None:
    quarters(64, 48, mode).save(tmp_path / "in.jpg", quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path)
    expected = quarters(64, 48, mode).convert("RGB")
    with Image.open(result.renditions[0].path) as image:
        assert image.mode == "RGB"
        assert max(ImageStat.Stat(ImageChops.difference(image, expected)).mean) < 8


def test_transparency_is_laid_on_the_background_for_jpeg_and_kept_for_webp(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "in.png")
    recipe = Recipe((Style("flat", 64, 64, background=(10, 200, 30)), Style("clear", 64, 64, format="webp")))
    flat, clear = rendered(tmp_path / "in.png", tmp_path, recipe).renditions
    assert all(near(colour, (10, 200, 30)) for colour in corner_colours(flat.path))
    with Image.open(clear.path) as image:
        assert image.getchannel("A").getextrema() == (0, 0)


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    boxes=st.lists(st.integers(1, 900), min_size=1, max_size=3, unique=True),
    mode=st.sampled_from(["L", "RGB", "CMYK"]),
    orientation=st.integers(1, 8),
    fit=st.sampled_from(["inside", "cover"]),
)
def test_no_rendition_is_larger_than_its_source_or_its_box(
    tmp_path: Path, width: int, height: int, boxes: list[int], mode: str, orientation: int, fit: str
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    Image.new(mode, (width, height)).save(tmp_path / "in.jpg", exif=exif)
    result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(*boxes, fit=fit))
    upright = (width, height) if orientation < 5 else (height, width)
    assert (result.width, result.height) == upright
    for box, rendition in zip(boxes, result.renditions, strict=True):
        assert rendition.width <= min(box, upright[0])
        assert rendition.height <= min(box, upright[1])
        with Image.open(rendition.path) as image:
            assert image.size == (rendition.width, rendition.height)


def test_the_watermark_is_on_large_and_medium_and_not_on_thumb(tmp_path: Path) -> None:
    grey = (128, 128, 128)
    Image.new("RGB", (3000, 2000), grey).save(tmp_path / "in.jpg", quality=95)
    by_style = {r.style: r for r in render(tmp_path / "in.jpg", tmp_path, default_recipe(), Limits()).renditions}
    for style, marked in (("large", True), ("medium", True), ("thumb", False)):
        with Image.open(by_style[style].path) as image:
            width, height = image.size
            mark = image.crop((width * 3 // 4, height * 3 // 4, width, height)).convert("L")
            rest = image.crop((0, 0, width // 2, height)).convert("L")
        low, high = mark.getextrema()
        assert (high > 190) is marked, style
        assert (low < 100) is marked, style
        assert all(abs(level - 128) < 4 for level in rest.getextrema()), style  # type: ignore[operator]


def test_a_watermark_fits_on_the_smallest_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 3)).save(tmp_path / "in.png")
    assert rendered(tmp_path / "in.png", tmp_path, default_recipe()).renditions[0].width == 1


def test_renditions_keep_artist_and_copyright_and_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Zoë Müller".encode()
    exif[ExifTags.Base.Copyright] = "© Zoë".encode()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Maker\0", "Model 5"
    photo = exif.get_ifd(ExifTags.IFD.Exif)
    photo[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    photo[ExifTags.Base.OffsetTimeOriginal] = "+02:00"
    photo[ExifTags.Base.ExposureTime] = 0.005
    photo[ExifTags.Base.ISOSpeedRatings] = 400
    photo[ExifTags.Base.BodySerialNumber] = "SERIAL-4711"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (47.0, 22.0, 1.0)
    quarters(64, 64).save(tmp_path / "in.jpg", exif=exif, comment=b"secret comment")

    result = rendered(tmp_path / "in.jpg", tmp_path)

    assert result.metadata == {
        "camera_make": "Maker",
        "camera_model": "Model 5",
        "captured_at": "2024-05-06T07:08:09+02:00",
        "exposure_seconds": 0.005,
        "iso": 400,
        "artist": "Zoë Müller",
        "copyright": "© Zoë",
    }
    data = result.renditions[0].path.read_bytes()
    assert b"SERIAL" not in data
    assert b"secret" not in data
    with Image.open(result.renditions[0].path) as image:
        kept = image.getexif()
        assert set(kept) == {ExifTags.Base.Artist, ExifTags.Base.Copyright}
        assert kept[ExifTags.Base.Artist].encode("latin-1").decode() == "Zoë Müller"


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40]
)
def test_broken_exif_costs_only_the_metadata(tmp_path: Path, exif: bytes) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg", exif=exif)
    assert rendered(tmp_path / "in.jpg", tmp_path).width == 64


def test_a_stereo_or_preview_jpeg_gives_its_first_picture(tmp_path: Path) -> None:
    other = Image.new("RGB", (64, 64))
    quarters(640, 400).save(tmp_path / "in.jpg", format="MPO", save_all=True, append_images=[other], quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path)
    assert (result.source_format, result.width, result.metadata) == ("JPEG", 640, {})
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


def test_an_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    other = Image.new("RGB", (640, 400))
    quarters(640, 400).save(tmp_path / "in.webp", save_all=True, append_images=[other], quality=95)
    result = rendered(tmp_path / "in.webp", tmp_path)
    assert result.metadata["notes"] == ["animated: the first frame was taken"]
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [16] * 4))


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    quarters(640, 400).save(tmp_path / "in.jpg")
    first = [r.path.read_bytes() for r in rendered(tmp_path / "in.jpg", tmp_path, default_recipe()).renditions]
    again = [r.path.read_bytes() for r in rendered(tmp_path / "in.jpg", tmp_path, default_recipe()).renditions]
    assert first == again


def test_photographs_look_like_a_plain_lanczos_reduction_of_all_their_pixels(photograph: Path, tmp_path: Path) -> None:
    result = rendered(photograph, tmp_path, plain_recipe(2048, 1024, 320, format="png"))
    with Image.open(photograph) as full:
        full.load()
        for rendition in result.renditions:
            reference = full.resize((rendition.width, rendition.height), Image.Resampling.LANCZOS)
            with Image.open(rendition.path) as image:
                difference = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), reference))
            # Of 255 levels: JPEG's scaled decoding and the chain of resizes are not seen.
            assert max(difference.mean) < 2.0, rendition.style
