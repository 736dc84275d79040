"""Colour that a file names by number, by gamma or by chromaticity, in the order of the specifications."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gallery.imaging.profiles import matrix_profile
from tests.imaging.pictures import mean_colour, near, plain_recipe, rendered
from tests.imaging.test_png import END, chunk, png

D65 = (0.3127, 0.3290)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
# From sRGB's linear light to that of other primaries; what is meant is `MEANT`, in sRGB.
TO_P3 = [[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]]
TO_2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
TO_ADOBE = [[0.7152, 0.2848, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0412, 0.9588]]
SAME = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
MEANT = (190, 110, 70)


def _light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _srgb(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _stored(matrix: list[list[float]], curve: Any, meant: tuple[int, ...] = MEANT) -> tuple[int, ...]:
    light = [_light(value / 255) for value in meant]
    mixed = [sum(m * v for m, v in zip(row, light, strict=True)) for row in matrix]
    return tuple(round(255 * curve(value)) for value in mixed)


def cicp(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def chrm(primaries: tuple[tuple[float, float], ...], white: tuple[float, float] = D65) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(part * 100_000) for xy in (white, *primaries) for part in xy)))


def iccp(gamma: float) -> bytes:
    profile = matrix_profile("of a test", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), gamma)
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))


def write_png(path: Path, stored: tuple[int, ...], *chunks: bytes) -> None:
    depth, colour_type = 8, 0 if len(stored) == 1 else 2
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + bytes(stored) * 64) * 64))
    path.write_bytes(png(*chunks, pixels, END, size=(64, 64), depth=depth, colour_type=colour_type))


def shown(path: Path, folder: Path) -> tuple[tuple[int, int, int], list[str]]:
    result = rendered(path, folder, plain_recipe(64, format="png"))
    return mean_colour(result.renditions[0].path), [note["note"] for note in result.metadata.get("notes", [])]


LINEAR = _stored(SAME, lambda light: light)
CASES = {
    "cICP: sRGB": ([cicp(1, 13)], MEANT),
    "cICP: Display P3": ([cicp(12, 13)], _stored(TO_P3, _srgb)),
    "cICP: BT.2020": ([cicp(9, 14)], _stored(TO_2020, _srgb)),
    "cICP: BT.709": ([cicp(1, 1)], _stored(SAME, _srgb)),
    "cICP: linear": ([cicp(1, 8)], LINEAR),
    "cICP: narrow range": ([cicp(1, 13, full=0)], tuple(round(16 + value * 219 / 255) for value in MEANT)),
    "cICP before iCCP": ([iccp(1.0), cicp(12, 13)], _stored(TO_P3, _srgb)),
    "cICP: sRGB before iCCP": ([iccp(1.0), cicp(1, 13)], MEANT),
    "cICP of YCbCr is none": ([cicp(12, 13, matrix=1)], MEANT),
    "cICP unspecified, then iCCP": ([cicp(250, 250), iccp(1.0)], LINEAR),
    "iCCP before sRGB": ([iccp(1.0), chunk(b"sRGB", b"\0")], LINEAR),
    "sRGB before gAMA": ([chunk(b"sRGB", b"\0"), gama(1.0), chrm(ADOBE)], MEANT),
    "gAMA": ([gama(1.0)], LINEAR),
    "gAMA that stands for sRGB": ([gama(0.45455)], MEANT),
    "gAMA and cHRM that stand for sRGB": ([gama(0.45455), chrm(SRGB)], MEANT),
    "gAMA and cHRM of P3": ([gama(0.45455), chrm(P3)], _stored(TO_P3, lambda light: light**0.45455)),
    "gAMA of an old Mac": ([gama(1 / 1.8)], _stored(SAME, lambda light: light ** (1 / 1.8))),
    "gAMA and cHRM": ([gama(256 / 563), chrm(ADOBE)], _stored(TO_ADOBE, lambda light: light ** (256 / 563))),
    "cHRM alone": ([chrm(P3)], _stored(TO_P3, _srgb)),
    "impossible gAMA": ([gama(0)], MEANT),
    "impossible cHRM": ([gama(1.0), chrm(((0.3, 0.0), (0.3, 0.0), (0.3, 0.0)))], LINEAR),
}


@pytest.mark.parametrize("case", CASES)
def test_a_png_is_taken_by_the_first_that_counts(tmp_path: Path, case: str) -> None:
    chunks, stored = CASES[case]
    write_png(tmp_path / "in.png", stored, *chunks)
    colour, notes = shown(tmp_path / "in.png", tmp_path)
    assert (near(colour, MEANT, 0 if stored == MEANT else 3), notes) == (True, [])


def test_a_number_that_is_not_known_is_noted(tmp_path: Path) -> None:
    write_png(tmp_path / "in.png", MEANT, cicp(77, 99))
    assert shown(tmp_path / "in.png", tmp_path) == (MEANT, ["profile_unusable"])


def test_grey_is_taken_by_its_gamma(tmp_path: Path) -> None:
    write_png(tmp_path / "in.png", (55,), gama(1.0))
    colour, _ = shown(tmp_path / "in.png", tmp_path)
    assert near(colour, (round(255 * _srgb(55 / 255)),) * 3, 2)


NUMBERS = {
    "Display P3": (12, 13, _stored(TO_P3, _srgb)),
    "BT.2020": (9, 14, _stored(TO_2020, _srgb)),
    "BT.709": (1, 1, _stored(SAME, _srgb)),
    "sRGB": (1, 13, MEANT),
    "unspecified": (2, 2, MEANT),
}


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("name", NUMBERS)
def test_heic_and_avif_are_taken_by_the_numbers_of_their_picture(tmp_path: Path, name: str, file_format: str) -> None:
    primaries, transfer, stored = NUMBERS[name]
    write_coded(tmp_path / "in", file_format, stored, primaries, transfer)
    colour, notes = shown(tmp_path / "in", tmp_path)
    assert (near(colour, MEANT, 4), notes) == (True, [])


def test_in_an_avif_the_profile_comes_before_the_numbers(tmp_path: Path) -> None:
    profile = matrix_profile("linear", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), 1.0)
    write_coded(tmp_path / "in", "AVIF", LINEAR, 12, 13, icc_profile=profile)
    colour, _ = shown(tmp_path / "in", tmp_path)
    assert near(colour, MEANT, 6)


def write_coded(
    path: Path, file_format: str, stored: tuple[int, ...], primaries: int, transfer: int, **options: Any
) -> None:
    """A picture of one colour, whose colour the container names by number."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 64), stored).save(path, file_format, quality=100, **options)
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    path.write_bytes(data)
