"""Every bad file gets its reason, decided by its bytes and before it is decoded."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from PIL import Image, features

from gallery.imaging.recipe import Limits
from gallery.imaging.render import render
from tests.imaging.isobmff import with_properties
from tests.imaging.pictures import DATA, plain_recipe, quarters, reason_of


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


@pytest.mark.parametrize("header", ["_FF", "FFC3", "FFC5", "FFCF"])
def test_jpegs_that_are_not_decoded_are_named(tmp_path: Path, header: str) -> None:
    quarters(64, 48).save(tmp_path / "in.jpg")
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    at = data.index(b"\xff\xc0")
    if header == "_FF":
        data[at + 4] = 12  # bits per sample, of an extended sequential JPEG
        data[at + 1] = 0xC1
    else:
        data[at : at + 2] = bytes.fromhex(header)
    (tmp_path / "in.jpg").write_bytes(data)
    reason, message = reason_of(tmp_path / "in.jpg")
    assert reason == "unsupported_format"
    assert ("12 bits" if header == "_FF" else "lossless") in message


@pytest.mark.parametrize(
    ("coding", "properties", "name"),
    [
        (b"unci", [b"\0\0\0\x10cmpC" + bytes(4) + b"zlib"], "HEIF with pixels under generic compression (unci, cmpC)"),
        (b"unci", [], "HEIF with uncompressed pixels (unci)"),
        (b"j2k1", [], "HEIF with JPEG 2000"),
        (b"vvc1", [], "HEIF with H.266"),
    ],
    ids=["unci, compressed", "unci", "JPEG 2000", "H.266"],
)
def test_heif_in_a_coding_that_the_decoder_lacks_is_named(
    tmp_path: Path, coding: bytes, properties: list[bytes], name: str
) -> None:
    content = with_properties((DATA / "orientation-1.heic").read_bytes(), *properties)
    (tmp_path / "in.heic").write_bytes(content.replace(b"hvc1", coding))
    reason, message = reason_of(tmp_path / "in.heic")
    assert (reason, f"the file is {name}" in message) == ("unsupported_format", True), message


def test_heic_without_its_decoder_is_unsupported_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reason, message = reason_of(DATA / "orientation-1.heic")
    assert (reason, "install pillow-heif" in message) == ("unsupported_format", True)


def test_what_pillow_was_built_without_is_unsupported_and_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarters(64, 48).save(tmp_path / "in.webp")
    monkeypatch.setattr(features, "check", lambda name: name != "webp")
    reason, message = reason_of(tmp_path / "in.webp")
    assert (reason, "Pillow was built without" in message) == ("unsupported_format", True)


def test_a_polyglot_is_what_its_first_bytes_say(tmp_path: Path) -> None:
    quarters(64, 48).save(tmp_path / "in.gif")
    (tmp_path / "in.gif").write_bytes((tmp_path / "in.gif").read_bytes() + b"*/=1;alert(1)//<script>%PDF-1.7 PK\3\4")
    assert render(tmp_path / "in.gif", tmp_path, plain_recipe(), Limits()).source_format == "GIF"
    (tmp_path / "in.pdf").write_bytes(b"%PDF-1.7\n" + (tmp_path / "in.gif").read_bytes())
    assert reason_of(tmp_path / "in.pdf")[0] == "unsupported_format"


def test_five_hundred_comments_before_nothing_are_looked_through_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow.svg").write_bytes(b"<!---->" * 500 + b"x")
    assert reason_of(tmp_path / "slow.svg")[0] == "not_an_image"


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
        (b"\0\0\0\x18ftypmp42....", "MP4"),
        (b"\0\0\0\x18ftypqt  ....", "MOV"),
        (b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0", "BMP"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\x1a\x45\xdf\xa3", "MKV or WebM video"),
        (b"gimp xcf v011", "XCF"),
        (b"\0\0\0\x18ftypcrx ....", "CR3"),
        (b"\0\0\0\x10ftypmif3avif\0\0\0\x40mini", "HEIF in its short form"),
        (b"\0\0\0\x18ftypvvic....mif1miaf", "HEIF with H.266"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (_tiff((256, 100), (257, 100), (262, 32803)), "RAW"),
        (_tiff((256, 100), (257, 100), (258, 32), (339, 3)), "a TIFF with 32-bit samples"),
        (_tiff((256, 100), (257, 100), (259, 34712)), "a TIFF that is compressed as JPEG 2000"),
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


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_other_formats_that_were_cut_are_truncated(tmp_path: Path, kept: float, file_format: str) -> None:
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
