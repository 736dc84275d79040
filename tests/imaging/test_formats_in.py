"""What each format brings along: pages, frames, depth, transparency."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from gallery.imaging.recipe import Recipe, Style
from tests.imaging.pictures import (
    BLUE,
    DATA,
    GREEN,
    UPRIGHT,
    YELLOW,
    corner_colours,
    mean_colour,
    near,
    plain_recipe,
    quarters,
    rendered,
)


@pytest.mark.parametrize(
    ("name", "source_format", "extension"),
    [
        ("in.jpg", "JPEG", ".jpg"),
        ("in.png", "PNG", ".png"),
        ("in.webp", "WEBP", ".webp"),
        ("in.gif", "GIF", ".gif"),
        ("in.tif", "TIFF", ".tif"),
        ("in.avif", "AVIF", ".avif"),
    ],
)
def test_every_format_is_decided_by_its_bytes(tmp_path: Path, name: str, source_format: str, extension: str) -> None:
    quarters(640, 400).save(tmp_path / name, quality=95)
    lying = (tmp_path / name).rename(tmp_path / "lying.psd")
    result = rendered(lying, tmp_path)
    assert (result.source_format, result.extension) == (source_format, extension)
    assert (result.width, result.height) == (640, 400)
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [20] * 4))


def test_a_heic_of_ten_bits_keeps_its_tones(tmp_path: Path) -> None:
    result = rendered(DATA / "ten-bit.heic", tmp_path, plain_recipe(128, format="png"))
    assert (result.source_format, result.extension) == ("HEIF", ".heic")
    with Image.open(result.renditions[0].path) as image:
        ramp = [image.getpixel((x, 40))[0] for x in range(128)]  # type: ignore[index]
    assert all(abs(level - round(255 * x / 127)) <= 4 for x, level in enumerate(ramp))


def test_a_burst_gives_its_primary_picture_and_says_so(tmp_path: Path) -> None:
    result = rendered(DATA / "burst.heic", tmp_path)
    assert result.width == 128
    assert result.metadata["notes"] == [{"note": "one_of_several", "message": "3 pictures: the primary one was taken"}]


def test_transparency_of_a_heic_is_laid_on_the_background(tmp_path: Path) -> None:
    result = rendered(DATA / "alpha.heic", tmp_path, plain_recipe(128, background=(255, 0, 255)))
    assert all(map(near, corner_colours(result.renditions[0].path), [(255, 0, 255), GREEN, BLUE, YELLOW], [30] * 4))


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("in.gif", "animated: the first frame was taken"),
        ("in.webp", "animated: the first frame was taken"),
        ("in.png", "animated: the first frame was taken"),
        ("in.avif", "animated: the first frame was taken"),
        ("in.tif", "2 pages: the first was taken"),
    ],
)
def test_of_several_pictures_the_first_is_taken_and_said_so(tmp_path: Path, name: str, note: str) -> None:
    other = Image.new("RGB", (640, 400))
    quarters(640, 400).save(tmp_path / name, save_all=True, append_images=[other], quality=95)
    result = rendered(tmp_path / name, tmp_path)
    assert result.metadata["notes"] == [{"note": "one_of_several", "message": note}]
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [20] * 4))


def test_a_stereo_or_preview_jpeg_gives_its_first_picture(tmp_path: Path) -> None:
    other = Image.new("RGB", (64, 64))
    quarters(640, 400).save(tmp_path / "in.jpg", format="MPO", save_all=True, append_images=[other], quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path)
    assert (result.source_format, result.width, "notes" in result.metadata) == ("JPEG", 640, False)
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("name", ["in.png", "in.tif"])
def test_every_mode_becomes_a_colour_jpeg(tmp_path: Path, mode: str, name: str) -> None:
    picture = quarters(64, 48)
    if mode == "I;16":
        picture = picture.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    else:
        picture = picture.quantize(16) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / name)
    result = rendered(tmp_path / name, tmp_path)
    with Image.open(result.renditions[0].path) as image:
        assert (image.mode, image.size) == ("RGB", (64, 48))
        expected = quarters(64, 48).convert("1" if mode == "1" else "L" if mode in ("L", "LA", "I;16") else "RGB")
        difference = ImageStat.Stat(ImageChops.difference(image, expected.convert("RGB"))).mean
    assert max(difference) < 12


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, mode: str) -> None:
    ramp = Image.linear_gradient("L").convert("I").point(lambda value: value * 257 + 0.0)
    ramp.convert("I;16").convert(mode).save(tmp_path / "in.tif") if mode == "I;16" else _save_big_endian(
        ramp, tmp_path / "in.tif"
    )
    result = rendered(tmp_path / "in.tif", tmp_path, plain_recipe(256, format="png"))
    with Image.open(result.renditions[0].path) as image:
        assert [image.getpixel((128, y))[0] for y in range(256)] == list(range(256))  # type: ignore[index]


def _save_big_endian(ramp: Image.Image, path: Path) -> None:
    import struct

    pixels = struct.pack(f">{256 * 256}H", *ramp.get_flattened_data())
    tags = {256: 256, 257: 256, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 256, 279: len(pixels)}
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(
        b"MM\0*" + struct.pack(">I", 8 + len(pixels)) + pixels + struct.pack(">H", len(tags)) + entries + bytes(4)
    )


@pytest.mark.parametrize("name", ["in.tif", "in.png"])
@pytest.mark.parametrize("bands", [3, 4])
def test_sixteen_bits_of_colour_are_scaled_too(tmp_path: Path, name: str, bands: int) -> None:
    pyvips = pytest.importorskip("pyvips", reason="pyvips writes the 16-bit files")
    colour = [0x3333, 0x8080, 0xFFFF, 0xFFFF][:bands]
    image = pyvips.Image.black(64, 64, bands=bands).linear([0] * bands, colour).cast("ushort")
    image.copy(interpretation="rgb16").write_to_file(str(tmp_path / name))
    result = rendered(tmp_path / name, tmp_path, plain_recipe(64, format="png"))
    assert near(mean_colour(result.renditions[0].path), (0x33, 0x80, 0xFF), 1)


def test_white_is_zero_in_some_tiffs(tmp_path: Path) -> None:
    quarters(64, 48, "1").save(tmp_path / "in.tif", tiffinfo={262: 0}, compression="group4")
    plain = rendered(tmp_path / "in.tif", tmp_path, plain_recipe(64, format="png")).renditions[0]
    with Image.open(tmp_path / "in.tif") as source, Image.open(plain.path) as image:
        assert ImageChops.difference(source.convert("RGB"), image.convert("RGB")).getbbox() is None


def test_a_colour_that_a_png_names_transparent_is(tmp_path: Path) -> None:
    for mode, key in (("RGB", (220, 30, 30)), ("L", 100)):
        picture = quarters(64, 48) if mode == "RGB" else Image.new("L", (64, 48), 100)
        picture.save(tmp_path / "in.png", transparency=key)
        result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, background=(0, 0, 255)))
        assert near(corner_colours(result.renditions[0].path)[0], (0, 0, 255), 12)


def test_transparency_is_laid_on_the_background_for_jpeg_and_kept_where_the_format_can(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "in.png")
    kept = [Style(name, 64, 64, format=name) for name in ("webp", "png", "avif")]
    recipe = Recipe((Style("flat", 64, 64, background=(10, 200, 30)), *kept))
    flat, *clear = rendered(tmp_path / "in.png", tmp_path, recipe).renditions
    assert all(near(colour, (10, 200, 30)) for colour in corner_colours(flat.path))
    for rendition in clear:
        with Image.open(rendition.path) as image:
            assert image.getchannel("A").getextrema() == (0, 0), rendition.style


@pytest.mark.parametrize("sharpening", [0, 150])
def test_the_unseen_colours_of_transparent_pixels_make_no_fringe(tmp_path: Path, sharpening: int) -> None:
    # White on transparent black: wherever the white is seen at all, it must be white.
    picture = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (101, 101, 403, 403))
    picture.save(tmp_path / "in.png")
    for box in (100, 333):
        result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(box, format="png", sharpening=sharpening))
        with Image.open(result.renditions[0].path) as image:
            seen = [pixel for pixel in image.convert("RGBA").get_flattened_data() if pixel[3] > 8]  # type: ignore[index]
        assert min(min(pixel[:3]) for pixel in seen) >= 245  # type: ignore[index]
