"""Limits are held against the header, before anything is decoded."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from gallery.imaging.recipe import Limits
from gallery.imaging.render import render
from gallery.notes import notes_in
from tests.imaging.pictures import plain_recipe, quarters, reason_of


def _png_header(width: int, height: int) -> bytes:
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_small_png_that_claims_to_be_huge_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(_png_header(50_000, 50_000))
    reason, message = reason_of(tmp_path / "bomb.png")
    assert reason == "too_many_pixels"
    assert "200,000,000" in message


def test_a_webp_that_claims_to_be_huge_is_refused_before_its_canvas_is_made(tmp_path: Path) -> None:
    canvas = (16_000_000).to_bytes(3, "little") + (16_000_000).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    (tmp_path / "bomb.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert reason_of(tmp_path / "bomb.webp")[0] == "too_many_pixels"


def test_the_pixel_limit_lets_in_exactly_what_it_says(tmp_path: Path) -> None:
    quarters(100, 50).save(tmp_path / "in.jpg")
    assert render(tmp_path / "in.jpg", tmp_path, plain_recipe(), Limits(max_pixels=5000)).width == 100
    assert reason_of(tmp_path / "in.jpg", Limits(max_pixels=4999))[0] == "too_many_pixels"


def test_pillows_own_bomb_check_does_not_interfere_with_ours(tmp_path: Path) -> None:
    Image.new("1", (20_000, 19_000)).save(tmp_path / "wide.png")  # more than twice Pillow's limit
    reason, message = reason_of(tmp_path / "wide.png", Limits(max_pixels=400_000_000, max_memory_bytes=1 << 20))
    assert (reason, "bytes of memory" in message) == ("too_many_pixels", True)


def test_the_file_limit_counts_bytes(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg")
    size = (tmp_path / "in.jpg").stat().st_size
    assert reason_of(tmp_path / "in.jpg", Limits(max_file_bytes=size - 1))[0] == "too_many_bytes"
    assert render(tmp_path / "in.jpg", tmp_path, plain_recipe(), Limits(max_file_bytes=size)).width == 64


@pytest.mark.parametrize("size", [(40_000, 100), (20_000, 14_000)])
def test_an_avif_that_its_decoder_does_not_take_has_too_many_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    quarters(64, 64).save(tmp_path / "in.avif")
    data = bytearray((tmp_path / "in.avif").read_bytes())
    struct.pack_into(">II", data, data.index(b"ispe") + 8, *size)
    (tmp_path / "in.avif").write_bytes(data)
    reason, message = reason_of(tmp_path / "in.avif", Limits(max_pixels=400_000_000))
    assert (reason, "are allowed" in message) == ("too_many_pixels", True)


def test_a_side_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(_png_header(70_000, 10))
    reason, message = reason_of(tmp_path / "wide.png")
    assert (reason, "65,535" in message) == ("too_many_pixels", True)


def _gif(frames: int) -> bytes:
    still = BytesIO()
    Image.new("1", (8, 8)).save(still, format="GIF")
    frame = still.getvalue().index(b"\x2c\0\0\0\0\x08")
    return still.getvalue()[:frame] + still.getvalue()[frame:-1] * frames + b";"


def test_a_gif_of_ten_thousand_frames_is_refused_without_decoding_any(tmp_path: Path) -> None:
    (tmp_path / "long.gif").write_bytes(_gif(10_000))
    reason, message = reason_of(tmp_path / "long.gif")
    assert (reason, "10,000 pictures" in message) == ("too_many_frames", True)
    (tmp_path / "short.gif").write_bytes(_gif(1_000))
    made = render(tmp_path / "short.gif", tmp_path, plain_recipe(), Limits())
    assert notes_in(made.metadata) == ["one_of_several"]


@pytest.mark.parametrize("name", ["many.png", "many.webp", "many.tif", "many.avif"])
def test_the_frame_limit_holds_for_every_format_that_has_frames(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 90, 180)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert reason_of(tmp_path / name, Limits(max_frames=2))[0] == "too_many_frames"
    assert render(tmp_path / name, tmp_path, plain_recipe(), Limits(max_frames=3)).metadata["notes"]


def _png_with(*extra: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">II5B", 8, 8, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", zlib.compress(bytes(9 * 8))), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_zip_bomb_in_a_png_is_refused(tmp_path: Path, kind: bytes) -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)  # 64 MiB in 64 KiB
    body = b"k\0\1\0\0\0" + bomb if kind == b"iTXt" else b"k\0\0" + bomb
    (tmp_path / "bomb.png").write_bytes(_png_with((kind, body)))
    assert reason_of(tmp_path / "bomb.png")[0] == "too_many_bytes"


def test_many_texts_in_one_png_are_refused_together(tmp_path: Path) -> None:
    text = (b"zTXt", b"k\0\0" + zlib.compress(bytes(15 << 20), 9))
    (tmp_path / "bomb.png").write_bytes(_png_with(*[text] * 5))
    assert reason_of(tmp_path / "bomb.png")[0] == "too_many_bytes"


def test_a_text_as_long_as_an_editor_may_write_is_taken(tmp_path: Path) -> None:
    text = (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>" * 500_000))
    (tmp_path / "in.png").write_bytes(_png_with(text))
    assert render(tmp_path / "in.png", tmp_path, plain_recipe(), Limits()).width == 8


def _tiff(**changed: tuple[int, int, int]) -> bytes:
    """A grey TIFF of 8 x 8 pixels; each change replaces a tag's type, count and value."""
    tags = {256: (4, 1, 8), 257: (4, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8)}
    tags |= {277: (3, 1, 1), 278: (4, 1, 8), 279: (4, 1, 64)}
    tags |= {int(name[1:]): value for name, value in changed.items()}
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_tiff(t256=(4, 1, 50_000), t257=(4, 1, 50_000)), "too_many_pixels"),
        (_tiff(t256=(4, 1, 4_000_000_000)), "too_many_pixels"),
        (_tiff(t273=(4, 4_000_000_000, 8)), "decoder_failed"),
        (_tiff(t700=(1, 4_000_000_000, 8)), "decoder_failed"),
        (_tiff(t273=(4, 1, 4_000_000_000)), "truncated"),
        (_tiff(t273=(4, 1, 300)), "truncated"),
        (_tiff(t256=(4, 1, 0)), "decoder_failed"),
        (_tiff(t259=(3, 1, 5)), "decoder_failed"),
        (_tiff(t259=(3, 1, 7), t322=(4, 1, 60_000), t323=(4, 1, 60_000), t324=(4, 1, 8)), "too_many_pixels"),
    ],
    ids=["pixels", "side", "strips", "private", "beyond", "past the end", "no width", "no LZW", "tiles"],
)
def test_a_tiff_with_absurd_tags_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "in.tif").write_bytes(content)
    assert reason_of(tmp_path / "in.tif")[0] == reason


def test_the_tiff_that_the_absurd_ones_are_made_from_is_fine(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(_tiff())
    assert render(tmp_path / "in.tif", tmp_path, plain_recipe(), Limits()).width == 8


def test_a_chain_of_tiff_pages_that_goes_in_circles_ends(tmp_path: Path) -> None:
    content = bytearray(_tiff())
    content[-4:] = struct.pack("<I", 72)
    (tmp_path / "in.tif").write_bytes(content)
    assert render(tmp_path / "in.tif", tmp_path, plain_recipe(), Limits()).width == 8
