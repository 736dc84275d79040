"""Every bad file gets its reason, decided by its bytes and before it is decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import plain_recipe, quarters
from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.profiles import srgb_profile
from gallery.imaging.recipe import Limits
from gallery.imaging.render import render


def reason_of(path: Path, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(RejectedImage) as caught:
        render(path, path.parent, plain_recipe(), limits or Limits())
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"just text\n",
        b"<!DOCTYPE html><html><body>403 <svg></svg></body></html>",
        b"\xff\xd8",
        b"PK\3\4zip",
    ],
)
def test_what_is_no_image_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    assert reason_of(tmp_path / "photo.jpg")[0] == "not_an_image"


def test_a_folder_and_a_missing_file_are_no_images(tmp_path: Path) -> None:
    assert reason_of(tmp_path)[0] == "not_an_image"
    assert reason_of(tmp_path / "missing.jpg")[0] == "not_an_image"


def _tiff(*tags: tuple[int, int], extra: bytes = b"") -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + extra


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"8BPS\0\1", "PSD"),
        (b"GIF89a....", "GIF"),
        (b"\0\0\0\x18ftypmp42....", "MP4"),
        (b"\0\0\0\x18ftypqt  ....", "MOV"),
        (b"\0\0\0\x18ftypheic....", "HEIC"),
        (b"\0\0\0\x18ftypavif....", "AVIF"),
        (b"\0\0\0\x18ftypcrx ....", "CR3"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (_tiff((256, 100), (257, 100)), "TIFF"),
        (_tiff((256, 100), (50706, 1)), "DNG"),
        (_tiff((256, 100), (330, 1), extra=b"NIKON CORPORATION\0"), "NEF"),
        (_tiff((256, 100), (330, 1), extra=b"SONY\0"), "ARW"),
    ],
)
def test_what_is_recognised_and_not_supported_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    reason, message = reason_of(tmp_path / "photo.jpg")
    assert reason == "unsupported_format"
    assert f"the file is {name}" in message


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_jpeg_that_was_cut_is_truncated(tmp_path: Path, kept: float, progressive: bool) -> None:
    Image.effect_noise((400, 300), 60).save(tmp_path / "whole.jpg", progressive=progressive)
    whole = (tmp_path / "whole.jpg").read_bytes()
    for cut in (whole[: int(len(whole) * kept)], whole[:-1], whole[:-2]):
        (tmp_path / "cut.jpg").write_bytes(cut)
        assert reason_of(tmp_path / "cut.jpg")[0] == "truncated"


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_png_or_webp_that_was_cut_is_truncated(tmp_path: Path, kept: float, file_format: str) -> None:
    Image.effect_noise((400, 300), 60).convert("RGB").save(tmp_path / "whole", format=file_format)
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * kept)])
    assert reason_of(tmp_path / "cut")[0] == "truncated"


def test_a_cut_jpeg_with_a_whole_preview_inside_is_still_truncated(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = b"\xff\xd8\xff\xd9" * 8  # a maker note that ends like a JPEG
    Image.effect_noise((400, 300), 60).save(tmp_path / "whole.jpg", exif=exif)
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    assert reason_of(tmp_path / "cut.jpg")[0] == "truncated"


@pytest.mark.parametrize("trailing", [b"\0" * 100, b"garbage \xff\xd8 behind", b"\0\0\0\x18ftypmp42 motion"])
def test_what_trails_behind_a_whole_picture_does_not_matter(tmp_path: Path, trailing: bytes) -> None:
    for name in ("in.jpg", "in.png"):
        quarters(64, 48).save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + trailing)
        assert render(tmp_path / name, tmp_path, plain_recipe(), Limits()).width == 64


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
    allowed = Limits(max_pixels=400_000_000, max_memory_bytes=8 << 30)
    reason, _ = reason_of(tmp_path / "wide.png", Limits(max_pixels=400_000_000, max_memory_bytes=1 << 20))
    assert reason == "too_many_pixels"
    assert allowed.fingerprint != Limits().fingerprint


def test_the_file_limit_counts_bytes(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg")
    size = (tmp_path / "in.jpg").stat().st_size
    assert reason_of(tmp_path / "in.jpg", Limits(max_file_bytes=size - 1))[0] == "too_many_bytes"
    assert render(tmp_path / "in.jpg", tmp_path, plain_recipe(), Limits(max_file_bytes=size)).width == 64


def test_damaged_data_is_rejected_and_not_called_truncated(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.png")
    data = bytearray((tmp_path / "in.png").read_bytes())
    at = data.index(b"IDAT")
    data[at + 8 : at + 20] = b"\xff" * 12
    (tmp_path / "in.png").write_bytes(data)
    assert reason_of(tmp_path / "in.png")[0] == "decoder_failed"


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg")
    with pytest.raises(FileNotFoundError):
        render(tmp_path / "in.jpg", tmp_path / "no such folder", plain_recipe(), Limits())


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_is_rendered_or_rejected_and_nothing_else(
    tmp_path: Path, file_format: str, data: st.DataObject
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    quarters(40, 30).save(tmp_path / "in", format=file_format, exif=exif, icc_profile=srgb_profile())
    content = bytearray((tmp_path / "in").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "in").write_bytes(content)
    try:
        made = render(tmp_path / "in", tmp_path, plain_recipe(), Limits(max_pixels=1_000_000))
    except RejectedImage as rejection:
        assert str(rejection)
    else:
        assert made.renditions[0].width <= 64
