"""Every orientation comes out upright, whoever turns the picture: EXIF, or a container's own rotation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from tests.imaging.isobmff import clap, imir, irot, with_properties
from tests.imaging.pictures import (
    DATA,
    ORIENTATION_TAG,
    UPRIGHT,
    corner_colours,
    near,
    plain_recipe,
    quarters,
    rendered,
)

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


def _stored(orientation: int) -> tuple[Image.Image, Image.Exif]:
    turn, upright, exif = STORED_AS[orientation], quarters(640, 400), Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return upright if turn is None else upright.transpose(turn), exif


# Pillow writes an AVIF's orientation as the container's `irot` and `imir`.
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, file_format: str) -> None:
    stored, exif = _stored(orientation)
    stored.save(tmp_path / "in", format=file_format, exif=exif, quality=95)

    result = rendered(tmp_path / "in", tmp_path)

    assert (result.width, result.height) == (640, 400)
    (rendition,) = result.renditions
    assert (rendition.width, rendition.height) == (64, 40)
    assert all(map(near, corner_colours(rendition.path), UPRIGHT, [12] * 4))
    with Image.open(rendition.path) as image:
        assert image.size == (64, 40)
        assert ORIENTATION_TAG not in image.getexif()


@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_heic_that_names_its_rotation_twice_is_turned_once(tmp_path: Path, orientation: int) -> None:
    # As phones write them: `irot` and `imir` in the container, and the same once more in EXIF.
    result = rendered(DATA / f"orientation-{orientation}.heic", tmp_path)
    assert (result.width, result.height) == (128, 80)
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [16] * 4))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_is_turned_once_whoever_unpacks_it(tmp_path: Path, compression: str) -> None:
    stored, exif = _stored(6)
    stored.save(tmp_path / "in.tif", exif=exif, compression=compression)
    result = rendered(tmp_path / "in.tif", tmp_path)
    assert (result.width, result.height) == (640, 400)
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


@pytest.mark.parametrize("broken", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path, broken: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = broken
    quarters(100, 60).save(tmp_path / "in.jpg", exif=exif)
    assert (rendered(tmp_path / "in.jpg", tmp_path).width) == 100


def test_a_png_may_carry_its_orientation_as_older_tools_wrote_it(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    stored, exif = _stored(6)
    data = exif.tobytes()
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
    stored.save(tmp_path / "in.png", pnginfo=text)
    assert rendered(tmp_path / "in.png", tmp_path).width == 640


def test_xmp_does_not_turn_a_picture_as_browsers_do_not(tmp_path: Path) -> None:
    quarters(100, 60).save(tmp_path / "in.jpg", xmp=b'<x:xmpmeta tiff:Orientation="6"/>')
    assert rendered(tmp_path / "in.jpg", tmp_path).width == 100


@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("quarters_turned", [0, 1, 2, 3])
@pytest.mark.parametrize("file_format", ["AVIF", "HEIF"])
def test_a_clean_aperture_is_cut_out_before_the_picture_is_turned(
    tmp_path: Path, file_format: str, quarters_turned: int, mirror: int | None
) -> None:
    size = (128, 80)
    if file_format == "AVIF":
        quarters(*size).save(tmp_path / "whole", "AVIF", quality=100)
    else:
        shutil.copy(DATA / "orientation-1.heic", tmp_path / "whole")
    # 60 x 40, of which a quarter is in each colour only before it is turned: to the right, and upwards.
    shown = quarters(*size).crop((44, 16, 104, 56)).rotate(90 * quarters_turned, expand=True)
    if mirror is not None:
        shown = [ImageOps.flip, ImageOps.mirror][mirror](shown)
    turns = [irot(quarters_turned), *([] if mirror is None else [imir(mirror)])]
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "in").write_bytes(with_properties(content, clap((60, 40), (20, -8)), *turns))
    result = rendered(tmp_path / "in", tmp_path, plain_recipe(64, format="png"))
    assert (result.width, result.height) == shown.size
    with Image.open(result.renditions[0].path) as image:
        difference = ImageChops.difference(image.convert("RGB"), shown)
    assert max(ImageStat.Stat(difference).mean) < 8


def test_a_clean_aperture_beyond_the_picture_is_ignored(tmp_path: Path) -> None:
    quarters(128, 80).save(tmp_path / "whole", "AVIF")
    content = (tmp_path / "whole").read_bytes()
    for aperture in (clap((60, 40), (100, 0)), clap((200, 40), (0, 0)), clap((0, 0), (0, 0))):
        (tmp_path / "in").write_bytes(with_properties(content, aperture))
        assert rendered(tmp_path / "in", tmp_path).width == 128
