"""Tells what a file is from its first bytes; its name and claimed type are never asked."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from gallery.errors import RejectedImage

HEAD_BYTES = 4096  # enough for every signature below, a TIFF's first tags and an SVG's preamble


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """A format that is decoded: Pillow's name for it, and the extension that belongs to its bytes."""

    name: str
    extension: str


JPEG = SourceFormat("JPEG", ".jpg")
PNG = SourceFormat("PNG", ".png")
WEBP = SourceFormat("WEBP", ".webp")

_DECODED = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG))

# Recognised, so that the photographer is told what the file is, but not decoded.
_NAMED = (
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"8BPS", "PSD"),
    (b"FUJIFILMCCD-RAW", "RAF (camera RAW)"),
    (b"IIRO", "ORF (camera RAW)"),
    (b"IIRS", "ORF (camera RAW)"),
    (b"MMOR", "ORF (camera RAW)"),
    (b"IIU\x00", "RW2 (camera RAW)"),
    (b"FOVb", "X3F (camera RAW)"),
    (b"\x00MRM", "MRW (camera RAW)"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x1a\x45\xdf\xa3", "MKV or WebM video"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"gimp xcf", "XCF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"DDS ", "DDS"),
    (b"\x00\x00\x01\xba", "MPEG video"),
    (b"\x00\x00\x01\xb3", "MPEG video"),
)
# Brands of ISO base media files (ISO/IEC 14496-12), at byte 8 of the `ftyp` box.
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"crx ": "CR3 (camera RAW)",
    b"qt  ": "MOV video",
    b"jp2 ": "JPEG 2000",
}
_SVG = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE\s+svg[^>]*>\s*)?<svg[\s>]", re.S | re.I)
_PNM = re.compile(rb"P[1-7]\s")
_TIFF_DNG_VERSION, _TIFF_SUB_IFDS = 50706, 330
_RAW_MAKERS = {b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"Canon": "CR2"}


def identify(head: bytes) -> SourceFormat:
    """Return the format of a file that begins with `head` (its first `HEAD_BYTES` or all of it).

    Raises `RejectedImage`: `unsupported_format` with the name of what was recognised, else `not_an_image`.
    """
    for signature, source_format in _DECODED:
        if head.startswith(signature):
            return source_format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if not head:
        raise RejectedImage("not_an_image", "the file is empty")
    if name := _recognise(head):
        raise RejectedImage(
            "unsupported_format", f"the file is {name}, which is not supported: export it as JPEG, PNG or WebP"
        )
    raise RejectedImage("not_an_image", "the file's bytes are not those of an image")


def _recognise(head: bytes) -> str | None:
    name = next((name for signature, name in _NAMED if head.startswith(signature)), None)
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        name = _tiff_or_raw(head)
    elif head[4:8] == b"ftyp":
        name = _BRANDS.get(head[8:12], "MP4 video")
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        name = "AVI video"
    elif b"%PDF-" in head[:1024]:
        name = "PDF"
    elif head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        name = "BMP"
    elif _SVG.match(head.removeprefix(b"\xef\xbb\xbf")):
        name = "SVG"
    elif _PNM.match(head):
        name = "PNM"
    return name


def _tiff_or_raw(head: bytes) -> str:
    """Most cameras' RAW files are TIFF files: by their first tags (TIFF 6.0, section 2; DNG 1.7, chapter 4)."""
    if head[8:10] == b"CR":
        return "CR2 (camera RAW)"
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 10 or head[2:4] in (b"+\x00", b"\x00+"):
        return "TIFF"
    (start,) = struct.unpack_from(order + "I", head, 4)
    if start + 2 > len(head):
        return "TIFF"
    (count,) = struct.unpack_from(order + "H", head, start)
    body = head[start + 2 : start + 2 + 12 * count]
    tags = {struct.unpack_from(order + "H", body, at)[0] for at in range(0, len(body) - 11, 12)}
    if _TIFF_DNG_VERSION in tags:
        return "DNG (camera RAW)"
    if _TIFF_SUB_IFDS in tags:
        for maker, name in _RAW_MAKERS.items():
            if maker in head:
                return f"{name} (camera RAW)"
    return "TIFF"
