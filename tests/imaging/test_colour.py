"""Colour: every profile and mode ends up in sRGB, by formulas that are published elsewhere."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageStat

from gallery.imaging.colour_codes import coded_profile
from gallery.imaging.containers import CodedColour
from gallery.imaging.profiles import matrix_profile, srgb_profile
from tests.imaging.pictures import UPRIGHT, corner_colours, mean_colour, near, plain_recipe, quarters, rendered

DISPLAY_P3 = coded_profile(CodedColour(12, 13))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))


def _in_srgb(stored: tuple[int, int, int], gamma: float | None, matrix: list[list[float]]) -> tuple[int, ...]:
    """The same colour in sRGB by formula (IEC 61966-2-1), by the published matrix between linear lights."""
    light = [_light(value / 255) if gamma is None else (value / 255) ** gamma for value in stored]
    return _encoded([sum(m * v for m, v in zip(row, light, strict=True)) for row in matrix])


def _light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(mixed: list[float]) -> tuple[int, ...]:
    encoded = [12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in mixed]
    return tuple(round(255 * min(1.0, max(0.0, value))) for value in encoded)


ADOBE_TO_SRGB = [[1.3983, -0.3983, 0.0], [0.0, 1.0, 0.0], [0.0, -0.0429, 1.0429]]
P3_TO_SRGB = [[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]]
PROPHOTO_TO_SRGB = [[2.0343, -0.7276, -0.3067], [-0.2288, 1.2317, -0.0029], [-0.0086, -0.1533, 1.1618]]
PROPHOTO = matrix_profile(
    "ProPhoto RGB", ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), 1.8, white=(0.3457, 0.3585)
)
ADOBE_RGB = matrix_profile("Adobe RGB", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
SAGE = (120, 160, 90)


@pytest.mark.parametrize(
    ("profile", "stored", "shown"),
    [
        (ADOBE_RGB, SAGE, _in_srgb(SAGE, 563 / 256, ADOBE_TO_SRGB)),
        (matrix_profile("P3, gamma 2.2", P3, 2.2), (180, 100, 80), _in_srgb((180, 100, 80), 2.2, P3_TO_SRGB)),
        (DISPLAY_P3, (180, 100, 80), _in_srgb((180, 100, 80), None, P3_TO_SRGB)),
        (PROPHOTO, (120, 130, 110), _in_srgb((120, 130, 110), 1.8, PROPHOTO_TO_SRGB)),
        (ADOBE_RGB, (128, 128, 128), _in_srgb((128, 128, 128), 563 / 256, ADOBE_TO_SRGB)),
    ],
    ids=["Adobe RGB", "P3, gamma 2.2", "Display P3", "ProPhoto", "neutral"],
)
def test_wide_gamut_colours_are_converted_to_srgb(
    tmp_path: Path, profile: bytes | None, stored: tuple[int, int, int], shown: tuple[int, int, int]
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
    (note,) = result.metadata["notes"]
    assert (note["note"], "ICC profile not usable" in note["message"]) == ("profile_unusable", True)
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


def test_renditions_are_tagged_with_a_profile_that_readers_know_as_srgb(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg")
    for file_format in ("jpeg", "png", "webp", "avif"):
        result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(64, format=file_format))
        with Image.open(result.renditions[0].path) as image:
            profile = ImageCms.getOpenProfile(BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_colour_jpegs(tmp_path: Path, mode: str) -> None:
    quarters(64, 48, mode).save(tmp_path / "in.jpg", quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path)
    expected = quarters(64, 48, mode).convert("RGB")
    with Image.open(result.renditions[0].path) as image:
        assert image.mode == "RGB"
        assert max(ImageStat.Stat(ImageChops.difference(image, expected)).mean) < 8


def _profile(space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """A version 2 profile of nothing but a header and `tags`."""
    tags = [
        (b"desc", b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(78)),
        (b"cprt", b"text\0\0\0\0none\0"),
        (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)),
        *tags,
    ]
    offset, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", offset + len(body), bytes(4), 0x02400000, b"prtr", space, connection)
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def _printing_profile() -> bytes:
    """A CMYK profile with a table (lut8Type) of its 16 corners in Lab: paper is white, cyan and black as below."""
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    corners: dict[tuple[int, ...], tuple[int, int, int]] = {
        (0, 0, 0, 0): (100, 0, 0),
        (1, 0, 0, 0): (60, -20, -30),
        (0, 0, 0, 1): (50, 0, 0),
    }
    table = b""
    for number in range(16):
        lightness, a, b = corners.get(tuple(number >> bit & 1 for bit in (3, 2, 1, 0)), (0, 0, 0))
        table += bytes([round(lightness * 2.55), a + 128, b + 128])
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    return _profile(b"CMYK", b"Lab ", [(b"A2B0", lut), (b"A2B1", lut)])


def _lab_in_srgb(lightness: float, a: float, b: float) -> tuple[int, ...]:
    """By CIE 15 and the matrix from XYZ under D50 to sRGB."""
    fy = (lightness + 16) / 116
    cubes = [f**3 if f**3 > 216 / 24389 else (116 * f - 16) * 27 / 24389 for f in (fy + a / 500, fy, fy - b / 200)]
    xyz = [part * white for part, white in zip(cubes, (0.9642, 1.0, 0.8249), strict=True)]
    rows = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    return _encoded([sum(m * v for m, v in zip(row, xyz, strict=True)) for row in rows])


@pytest.mark.parametrize("name", ["in.jpg", "in.tif"])
@pytest.mark.parametrize(
    ("ink", "lab"),
    [((0, 0, 0, 0), (100, 0, 0)), ((255, 0, 0, 0), (60, -20, -30)), ((0, 0, 0, 255), (50, 0, 0))],
    ids=["paper", "cyan", "black"],
)
def test_cmyk_is_converted_by_its_profile(
    tmp_path: Path, name: str, ink: tuple[int, ...], lab: tuple[float, float, float]
) -> None:
    options: dict[str, Any] = {"quality": 100} if name == "in.jpg" else {}
    Image.new("CMYK", (64, 64), ink).save(tmp_path / name, icc_profile=_printing_profile(), **options)
    result = rendered(tmp_path / name, tmp_path, plain_recipe(64, format="png"))
    assert near(mean_colour(result.renditions[0].path), _lab_in_srgb(*lab), 4)
    assert "notes" not in result.metadata


def test_ycck_jpegs_give_the_colours_of_cmyk_ones(tmp_path: Path) -> None:
    ink = (200, 40, 10, 30)
    Image.new("CMYK", (64, 64), ink).save(tmp_path / "cmyk.jpg", quality=100)
    # YCCK codes the three inks as YCbCr, and Adobe's marker says so (transform 2 in its last byte).
    luma, blue, red = Image.new("RGB", (1, 1), ink[:3]).convert("YCbCr").getpixel((0, 0))  # type: ignore[misc]
    coded = Image.new("CMYK", (64, 64), (255 - luma, 255 - blue, 255 - red, ink[3]))
    coded.save(tmp_path / "ycck.jpg", quality=100)
    data = bytearray((tmp_path / "ycck.jpg").read_bytes())
    data[data.index(b"Adobe") + 11] = 2
    (tmp_path / "ycck.jpg").write_bytes(data)
    colours = []
    for name in ("cmyk.jpg", "ycck.jpg"):
        result = rendered(tmp_path / name, tmp_path, plain_recipe(64, format="png"))
        colours.append(mean_colour(result.renditions[0].path))
        (note,) = result.metadata["notes"]
        assert note == {"note": "colours_approximate", "message": "CMYK without a profile: colours are approximate"}
    assert near(colours[0], colours[1], 2)
    assert near(colours[0], (49, 190, 216), 2)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_is_converted_by_its_profile(tmp_path: Path, mode: str) -> None:
    curve = b"curv" + struct.pack(">IIH", 0, 1, 256)  # linear light: 128 is much lighter in sRGB
    profile = _profile(b"GRAY", b"XYZ ", [(b"kTRC", curve)])
    Image.new("L", (64, 64), 55).convert(mode).save(tmp_path / "in.png", icc_profile=profile)
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, format="png"))
    shown = _encoded([55 / 255] * 3)
    assert near(mean_colour(result.renditions[0].path), shown, 2)


def test_grey_that_kept_its_colour_profile_is_converted_by_it(tmp_path: Path) -> None:
    profile = matrix_profile("gamma 1", ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), 1.0)
    Image.new("L", (64, 64), 55).save(tmp_path / "in.jpg", icc_profile=profile, quality=100)
    result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(64, format="png"))
    assert near(mean_colour(result.renditions[0].path), _encoded([55 / 255] * 3), 2)


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
def test_a_profile_of_another_kind_or_cut_short_is_noted_and_not_fatal(tmp_path: Path, kept: float) -> None:
    whole = _printing_profile()
    for profile in (whole, whole[: int(len(whole) * kept)]):
        quarters(64, 64).save(tmp_path / "in.jpg", icc_profile=profile, quality=95)
        result = rendered(tmp_path / "in.jpg", tmp_path)
        assert "taken as sRGB" in result.metadata["notes"][0]["message"]
        assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_jpeg_that_lacks_a_segment_of_its_profile_is_noted(tmp_path: Path, lost: int) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg", icc_profile=ADOBE_RGB + bytes(150_000), quality=95)
    data = (tmp_path / "in.jpg").read_bytes()
    at = -1
    for _ in range(lost + 1):
        at = data.index(b"ICC_PROFILE\0", at + 1)
    length = int.from_bytes(data[at - 2 : at], "big")
    (tmp_path / "in.jpg").write_bytes(data[: at - 4] + data[at - 2 + length :])
    result = rendered(tmp_path / "in.jpg", tmp_path)
    assert [note["note"] for note in result.metadata["notes"]] == ["profile_unusable"]
    assert all(map(near, corner_colours(result.renditions[0].path), UPRIGHT, [12] * 4))


def test_a_png_profile_that_cannot_be_unpacked_is_noted(tmp_path: Path) -> None:
    packed = b"icc\0\0" + b"not packed at all"
    chunk = struct.pack(">I", len(packed)) + b"iCCP" + packed + struct.pack(">I", zlib.crc32(b"iCCP" + packed))
    quarters(64, 64).save(tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    (tmp_path / "in.png").write_bytes(data[:33] + chunk + data[33:])
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, format="png"))
    assert [note["note"] for note in result.metadata["notes"]] == ["profile_unusable"]
    assert corner_colours(result.renditions[0].path) == UPRIGHT


def test_transparency_survives_the_conversion(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (*SAGE, 77)).save(tmp_path / "in.png", icc_profile=ADOBE_RGB)
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(64, format="png"))
    with Image.open(result.renditions[0].path) as image:
        assert near(image.getpixel((9, 9)), (*_in_srgb(SAGE, 563 / 256, ADOBE_TO_SRGB), 77), 3)  # type: ignore[arg-type]


def test_display_p3_that_an_avif_names_by_number_is_converted(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (180, 100, 80)).save(tmp_path / "in.avif", quality=100)
    data = bytearray((tmp_path / "in.avif").read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 2] = (12).to_bytes(2, "big")
    (tmp_path / "in.avif").write_bytes(data)
    result = rendered(tmp_path / "in.avif", tmp_path, plain_recipe(64, format="png"))
    assert near(mean_colour(result.renditions[0].path), _in_srgb((180, 100, 80), None, P3_TO_SRGB), 4)


def test_a_note_about_a_hostile_profile_is_fit_for_a_database(tmp_path: Path) -> None:
    profile = bytearray(ADOBE_RGB)
    profile[16:20] = b"\0\7X\0"
    quarters(64, 64).save(tmp_path / "in.png", icc_profile=bytes(profile))
    (note,) = rendered(tmp_path / "in.png", tmp_path).metadata["notes"]
    assert note["message"].isprintable()
