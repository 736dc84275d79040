"""TIFF: which page is taken, and layouts that Pillow's own decoder gets wrong, right or refused by name."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.imaging.pictures import mean_colour, near, plain_recipe, quarters, reason_of, rendered

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
STRIPS, SAMPLES, ROWS, STRIP_BYTES, PLANAR, COLOURS, SAMPLE_FORMAT = 273, 277, 278, 279, 284, 320, 339
COEFFICIENTS, SUBSAMPLING, LEVELS, ICC = 529, 530, 532, 34675

Page = tuple[Mapping[int, Any], list[bytes]]


def tiff(*pages: Page, order: str = "<") -> bytes:
    """Pages of integers (16 or 32 bits) and fractions by tag, each with its strips."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for tags, strips in pages:
        places = []
        for strip in strips:
            places.append(len(data))
            data += strip
        entries = {**tags, STRIPS: tuple(places), STRIP_BYTES: tuple(map(len, strips))}
        table = b""
        for tag in sorted(entries):
            values = entries[tag]
            if isinstance(values, list):
                kind, packed = 5, b"".join(struct.pack(order + "II", round(value * 10_000), 10_000) for value in values)
            else:
                kind = 4 if tag in (STRIPS, STRIP_BYTES, WIDTH, HEIGHT, ROWS, SUBFILE) else 3
                packed = struct.pack(f"{order}{len(values)}{'I' if kind == 4 else 'H'}", *values)
            if len(packed) > 4:
                place, packed = struct.pack(order + "I", len(data)), bytes(packed)
                data += packed
                packed = place
            table += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
        struct.pack_into(order + "I", data, link, len(data))
        data += struct.pack(order + "H", len(entries)) + table
        link = len(data)
        data += bytes(4)
    return bytes(data)


def rgb_page(colour: tuple[int, int, int], size: tuple[int, int], **tags: int) -> Page:
    kinds = {"subfile": SUBFILE, "old_subfile": OLD_SUBFILE}
    more = {kinds[name]: (value,) for name, value in tags.items()}
    width, height = size
    basic = {WIDTH: (width,), HEIGHT: (height,), BITS: (8, 8, 8), PHOTOMETRIC: (2,), SAMPLES: (3,), ROWS: (height,)}
    return {**basic, **more}, [bytes(colour) * width * height]


BIG, SMALL = (64, 48), (16, 12)
GREEN, RED = (30, 200, 30), (220, 30, 30)


@pytest.mark.parametrize(
    ("pages", "noted"),
    [
        ([rgb_page(GREEN, BIG, subfile=0), rgb_page(RED, SMALL, subfile=1)], False),
        ([rgb_page(RED, SMALL, subfile=1), rgb_page(GREEN, BIG, subfile=0)], False),
        ([rgb_page(RED, SMALL, subfile=1), rgb_page(GREEN, BIG)], False),
        ([rgb_page(RED, SMALL, old_subfile=2), rgb_page(GREEN, BIG, old_subfile=1)], False),
        ([rgb_page(RED, SMALL, subfile=3), rgb_page(GREEN, BIG, subfile=2)], False),
        ([rgb_page(RED, BIG, subfile=4), rgb_page(GREEN, BIG, subfile=0)], False),
        ([rgb_page(RED, BIG, subfile=5), rgb_page(RED, SMALL, subfile=1), rgb_page(GREEN, BIG)], False),
        ([rgb_page(RED, SMALL, subfile=1), rgb_page(GREEN, BIG, subfile=1)], False),
        ([rgb_page(GREEN, SMALL, subfile=2), rgb_page(RED, BIG, subfile=2)], True),
    ],
    ids=[
        "thumbnail behind",
        "before",
        "of no kind",
        "old tag",
        "of a page",
        "mask",
        "both",
        "only reduced",
        "two pages",
    ],
)
def test_the_page_that_is_neither_a_thumbnail_nor_a_mask_is_taken(
    tmp_path: Path, pages: list[Page], noted: bool
) -> None:
    (tmp_path / "in.tif").write_bytes(tiff(*pages))
    result = rendered(tmp_path / "in.tif", tmp_path, plain_recipe(64, format="png"))
    assert near(mean_colour(result.renditions[0].path), GREEN, 1)
    assert ([note["note"] for note in result.metadata.get("notes", [])] == ["one_of_several"]) is noted


def _is_quarters(path: Path, folder: Path, within: int = 1) -> bool:
    result = rendered(path, folder, plain_recipe(64, format="png"))
    with Image.open(result.renditions[0].path) as image:
        difference = ImageChops.difference(image.convert("RGB"), quarters(*BIG))
    return max(most for _, most in difference.getextrema()) <= within  # type: ignore[misc]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("rows", [48, 16])
def test_uncompressed_16_bit_planes_are_read_as_such(tmp_path: Path, rows: int, order: str) -> None:
    strips = []
    for channel in quarters(*BIG).split():
        samples = struct.pack(f"{order}{64 * 48}H", *(257 * value for value in channel.tobytes()))
        strips += [samples[at : at + 128 * rows] for at in range(0, len(samples), 128 * rows)]
    tags = {WIDTH: (64,), HEIGHT: (48,), BITS: (16, 16, 16), PHOTOMETRIC: (2,), SAMPLES: (3,), PLANAR: (2,)}
    (tmp_path / "in.tif").write_bytes(tiff(({**tags, ROWS: (rows,), COMPRESSION: (1,)}, strips), order=order))
    assert _is_quarters(tmp_path / "in.tif", tmp_path)


BT601, BT709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)
FULL = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0]
STUDIO = [16.0, 235.0, 128.0, 240.0, 128.0, 240.0]


def _ycbcr(colour: tuple[int, int, int], weights: tuple[float, float, float], levels: list[float]) -> list[int]:
    """TIFF 6.0, sections 20 and 21."""
    red, _, blue = colour
    luma = sum(w * v for w, v in zip(weights, colour, strict=True))
    parts = luma, (blue - luma) / (2 - 2 * weights[2]), (red - luma) / (2 - 2 * weights[0])
    coded = []
    for part, scale, at in zip(parts, (255, 127, 127), (0, 2, 4), strict=True):
        coded.append(round(levels[at] + part * (levels[at + 1] - levels[at]) / scale))
    return coded


@pytest.mark.parametrize("levels", [FULL, STUDIO], ids=["full", "studio"])
@pytest.mark.parametrize("weights", [BT601, BT709], ids=["BT.601", "BT.709"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)], ids=["1x1", "2x1", "2x2"])
def test_uncompressed_ycbcr_has_its_coefficients_levels_and_subsampling(
    tmp_path: Path, subsampling: tuple[int, int], weights: tuple[float, float, float], levels: list[float]
) -> None:
    across, down = subsampling
    strip = b""
    picture = quarters(*BIG)
    for y in range(0, 48, down):
        for x in range(0, 64, across):
            luma, blue, red = _ycbcr(picture.getpixel((x, y)), weights, levels)  # type: ignore[arg-type]
            strip += bytes([luma] * across * down + [blue, red])
    tags = {WIDTH: (64,), HEIGHT: (48,), BITS: (8, 8, 8), PHOTOMETRIC: (6,), SAMPLES: (3,), ROWS: (48,)}
    more: dict[int, Any] = {SUBSAMPLING: subsampling, COEFFICIENTS: list(weights), LEVELS: levels, COMPRESSION: (1,)}
    (tmp_path / "in.tif").write_bytes(tiff(({**tags, **more}, [strip])))
    assert _is_quarters(tmp_path / "in.tif", tmp_path, within=3)


def test_a_cut_off_file_in_such_a_layout_is_still_truncated(tmp_path: Path) -> None:
    tags = {WIDTH: (64,), HEIGHT: (48,), BITS: (8, 8, 8), PHOTOMETRIC: (6,), SAMPLES: (3,), ROWS: (48,)}
    page = {**tags, SUBSAMPLING: (1, 1), COMPRESSION: (1,)}
    content = bytearray(tiff((page, [b""])))
    # The strip is written behind the directory, so that its end can be cut.
    at = content.index(struct.pack("<HHI", STRIPS, 4, 1)) + 8
    struct.pack_into("<I", content, at, len(content))
    at = content.index(struct.pack("<HHI", STRIP_BYTES, 4, 1)) + 8
    struct.pack_into("<I", content, at, 64 * 48 * 3)
    (tmp_path / "in.tif").write_bytes(content + bytes(64 * 40 * 3))
    assert reason_of(tmp_path / "in.tif")[0] == "truncated"


@pytest.mark.parametrize("most", [255, 65535], ids=["8 bits", "16 bits"])
def test_a_palette_may_hold_8_bit_values(tmp_path: Path, most: int) -> None:
    indexed = quarters(*BIG).quantize(4)
    colours = indexed.getpalette("RGB") or []
    table = [
        colours[at + 3 * index] * most // 255 if 3 * index < len(colours) else 0
        for at in range(3)
        for index in range(256)
    ]
    tags = {WIDTH: (64,), HEIGHT: (48,), BITS: (8,), PHOTOMETRIC: (3,), SAMPLES: (1,), ROWS: (48,)}
    page = {**tags, COLOURS: tuple(table), COMPRESSION: (1,)}
    (tmp_path / "in.tif").write_bytes(tiff((page, [indexed.tobytes()])))
    assert _is_quarters(tmp_path / "in.tif", tmp_path)


def _grey(bits: int, samples: int = 1, **more: tuple[int, ...]) -> bytes:
    kinds = {"sample_format": SAMPLE_FORMAT, "extra": 338, "planar": PLANAR}
    tags = {WIDTH: (64,), HEIGHT: (48,), BITS: (bits,) * samples, PHOTOMETRIC: (1,), SAMPLES: (samples,), ROWS: (48,)}
    named = {kinds[name]: values for name, values in more.items()}
    return tiff(({**tags, **named, COMPRESSION: (1,)}, [bytes(64 * 48 * samples * bits // 8)]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_grey(16, sample_format=(2,)), "a TIFF with signed 16-bit samples"),
        (_grey(16, samples=2, extra=(2,)), "grey, 2 samples of 16 bits, 1 of them extra"),
        (_grey(8, samples=3, extra=(0, 0)), "grey, 3 samples of 8 bits, 2 of them extra"),
        (
            b"MM\0+\0\x08\0\0" + struct.pack(">QQ", 16, 1) + struct.pack(">HHQQ", 256, 4, 1, 64 << 32),
            "big-endian BigTIFF",
        ),
    ],
    ids=["signed", "grey and alpha", "grey and two more", "big-endian BigTIFF"],
)
def test_what_is_not_decoded_is_refused_by_its_layout(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "in.tif").write_bytes(content)
    reason, message = reason_of(tmp_path / "in.tif")
    assert (reason, words in message) == ("unsupported_format", True), message


def test_a_profile_that_is_cut_off_is_noted(tmp_path: Path) -> None:
    tags, strips = rgb_page(GREEN, BIG)
    content = bytearray(tiff(({**tags, ICC: (1, 2, 3)}, strips)))
    at = content.index(struct.pack("<HHI", ICC, 3, 3)) + 8
    struct.pack_into("<I", content, at, len(content))
    (tmp_path / "in.tif").write_bytes(content)
    (note,) = rendered(tmp_path / "in.tif", tmp_path).metadata["notes"]
    assert note["note"] == "profile_unusable"
