"""PNGs with damaged chunks, and with a colour that is transparent: what libpng makes of them, and in words."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from gallery.imaging.profiles import srgb_profile
from tests.imaging.pictures import plain_recipe, reason_of, rendered

WIDTH, HEIGHT = 64, 48
RAMP = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize((WIDTH, HEIGHT)) for turn in (0, 90, 180)])
ANCILLARY = {
    b"iCCP": b"icc\0\0" + zlib.compress(srgb_profile()),
    b"gAMA": struct.pack(">I", 100_000),
    b"cHRM": struct.pack(">8I", *range(8)),
    b"sRGB": b"\0",
    b"cICP": bytes([12, 13, 0, 1]),
    b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
    b"tEXt": b"Comment\0hello",
    b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0<x/>",
    b"eXIf": b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    b"tRNS": struct.pack(">3H", *RAMP.getpixel((0, 0))),  # type: ignore[misc]
    b"acTL": struct.pack(">II", 3, 0),
    b"prVt": b"private",
}


def chunk(kind: bytes, data: bytes, checksum_off_by: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ checksum_off_by)


def png(*chunks: bytes, size: tuple[int, int] = (WIDTH, HEIGHT), depth: int = 8, colour_type: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">II5B", *size, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


def _rows() -> bytes:
    return b"".join(b"\0" + RAMP.crop((0, y, WIDTH, y + 1)).tobytes() for y in range(HEIGHT))


PIXELS, END = chunk(b"IDAT", zlib.compress(_rows())), chunk(b"IEND", b"")


def _shown(content: bytes, folder: Path) -> tuple[Image.Image, list[str]]:
    """The rendition's pixels, and the names of the notes."""
    (folder / "in.png").write_bytes(content)
    result = rendered(folder / "in.png", folder, plain_recipe(64, format="png"))
    with Image.open(result.renditions[0].path) as image:
        image.load()
    return image, [note["note"] for note in result.metadata.get("notes", [])]


def _is_ramp(image: Image.Image, rows: int = HEIGHT) -> bool:
    part = (0, 0, WIDTH, rows)
    return image.mode == "RGB" and ImageChops.difference(image.crop(part), RAMP.crop(part)).getbbox() is None


@pytest.mark.parametrize("kind", ANCILLARY, ids=bytes.decode)
def test_an_ancillary_chunk_with_a_wrong_checksum_is_left_out(tmp_path: Path, kind: bytes) -> None:
    bad = chunk(kind, ANCILLARY[kind], checksum_off_by=1)
    notes = ["profile_unusable"] if kind == b"iCCP" else []
    for content in (png(bad, PIXELS, END), png(PIXELS, bad, END), png(bad, bad, PIXELS, bad, bad, END)):
        image, noted = _shown(content, tmp_path)
        assert (_is_ramp(image), noted) == (True, notes)


@pytest.mark.parametrize(
    "bad",
    [
        chunk(b"iCCP", b"icc\0\7" + ANCILLARY[b"iCCP"][5:]),
        chunk(b"iCCP", b"no end of its name" * 9),
        chunk(b"zTXt", b"Comment\0\7" + zlib.compress(b"hello")),
        chunk(b"gAMA", b"\0\1"),
        chunk(b"cHRM", bytes(31)),
        chunk(b"sRGB", b""),
        chunk(b"pHYs", bytes(8)),
        chunk(b"tRNS", bytes(5)),
        chunk(b"acTL", bytes(7)),
    ],
    ids=lambda bad: f"{bad[4:8].decode()} of {len(bad) - 12}",
)
def test_an_ancillary_chunk_of_unknown_compression_or_too_short_is_left_out(tmp_path: Path, bad: bytes) -> None:
    image, noted = _shown(png(bad, PIXELS, END), tmp_path)
    assert (_is_ramp(image), noted) == (True, ["profile_unusable"] if bad[4:8] == b"iCCP" else [])


def test_an_animation_with_a_damaged_chunk_is_a_still_picture(tmp_path: Path) -> None:
    written = BytesIO()
    RAMP.save(written, "PNG", save_all=True, append_images=[RAMP.rotate(180), RAMP.rotate(90)])
    content = bytearray(written.getvalue())
    at = content.rindex(b"fcTL")
    content[at + 30] ^= 1  # its checksum
    image, noted = _shown(bytes(content), tmp_path)
    assert (_is_ramp(image), noted) == (True, [])


@pytest.mark.parametrize("kind", [b"IDAT", b"IEND", b"PLTE"], ids=bytes.decode)
def test_a_wrong_checksum_of_what_the_picture_needs_is_noted(tmp_path: Path, kind: bytes) -> None:
    data = {b"IDAT": zlib.compress(_rows()), b"PLTE": bytes(range(255)), b"IEND": b""}
    chunks = [chunk(b, data[b], checksum_off_by=int(b == kind)) for b in (b"PLTE", b"IDAT", b"IEND")]
    image, noted = _shown(png(*chunks), tmp_path)
    assert (_is_ramp(image), noted) == (True, ["damaged"])


@pytest.mark.parametrize("hole", ["flipped byte", "zeros", "noise", "lost"])
def test_a_picture_with_a_hole_is_saved_as_far_as_it_can_be_read(tmp_path: Path, hole: str) -> None:
    packed = zlib.compress(_rows(), 0) if hole == "flipped byte" else zlib.compress(_rows())
    pieces = [packed[at : at + 100] for at in range(0, len(packed), 100)]
    content = bytearray(png(*[chunk(b"IDAT", piece) for piece in pieces], END))
    at = len(content) * 2 // 3
    if hole == "flipped byte":  # of pixels that are not compressed
        content[at] ^= 0x55
    elif hole == "lost":
        del content[at : at + 500]
    else:
        content[at : at + 500] = bytes(500) if hole == "zeros" else b"\xa5\x3c\x11\xff\x80" * 100
    image, noted = _shown(bytes(content), tmp_path)
    assert (_is_ramp(image, HEIGHT // 3), noted) == (True, ["damaged"])


def test_what_is_damaged_says_how_much_of_it_can_be_read(tmp_path: Path) -> None:
    noise = random.Random(7)
    rows = b"".join(b"\0" + bytes(noise.choices(range(64), k=3 * WIDTH)) for _ in range(1000))
    content = bytearray(png(chunk(b"IDAT", zlib.compress(rows)), END, size=(WIDTH, 1000)))
    at = len(content) // 2
    content[at : at + 4096] = bytes(4096)
    (tmp_path / "in.png").write_bytes(content)
    (note,) = rendered(tmp_path / "in.png", tmp_path).metadata["notes"]
    assert note["message"].startswith("the file is damaged: only the first ")
    assert 35 < int(note["message"].split()[-8]) < 65


def test_a_damaged_header_is_still_rejected(tmp_path: Path) -> None:
    content = bytearray(png(PIXELS, END))
    content[29] ^= 1
    (tmp_path / "in.png").write_bytes(content)
    assert reason_of(tmp_path / "in.png")[0] == "decoder_failed"


def _bits(values: list[int], depth: int) -> bytes:
    digits = "".join(format(value, f"0{depth}b") for value in values)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_key_is_compared_at_the_depth_of_the_file(tmp_path: Path, depth: int) -> None:
    most = 2**depth - 1
    values = [x * most // (WIDTH - 1) for x in range(WIDTH)]
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + _bits(values, depth)) * HEIGHT))
    for key in {0, most, values[WIDTH // 3], 65535}:
        content = png(chunk(b"tRNS", struct.pack(">H", key)), pixels, END, depth=depth, colour_type=0)
        image, _ = _shown(content, tmp_path)
        alpha = image.convert("RGBA").getchannel("A").crop((0, 9, WIDTH, 10)).tobytes()
        assert alpha == bytes(255 * (value != key) for value in values)


@pytest.mark.parametrize("key", [(0x8001, 7, 0), (0x8000, 7, 0), (0, 7, 0), (0x8000, 0x0107, 0)])
def test_a_key_of_16_bit_colours_is_compared_with_all_bits(tmp_path: Path, key: tuple[int, int, int]) -> None:
    colours = [((0x8000, 0x8001, 0)[x % 3], 7, 0) for x in range(WIDTH)]
    row = b"\0" + b"".join(struct.pack(">3H", *colour) for colour in colours)
    trns, pixels = chunk(b"tRNS", struct.pack(">3H", *key)), chunk(b"IDAT", zlib.compress(row * HEIGHT))
    image, _ = _shown(png(trns, pixels, END, depth=16), tmp_path)
    rgba = image.convert("RGBA").crop((0, 9, WIDTH, 10))
    assert rgba.getchannel("A").tobytes() == bytes(255 * (colour != key) for colour in colours)
    assert rgba.getpixel((4, 0))[0] == 0x80  # type: ignore[index]
