"""File formats: which are decoded, which are refused, and how their first bytes tell them apart.

Whether a file is accepted depends on its contents alone (`identify`). The table of refused extensions is for clients:
they can refuse a file before they send it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gallery.errors import RejectedImage

HEAD_BYTES = 4096  # enough for every signature below and an SVG's preamble


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """A format that is decoded: Pillow's name for it, its usual extension (with the dot) and its content type."""

    name: str
    extension: str
    content_type: str


JPEG = SourceFormat("JPEG", ".jpg", "image/jpeg")
PNG = SourceFormat("PNG", ".png", "image/png")
WEBP = SourceFormat("WEBP", ".webp", "image/webp")
GIF = SourceFormat("GIF", ".gif", "image/gif")
TIFF = SourceFormat("TIFF", ".tif", "image/tiff")
HEIC = SourceFormat("HEIF", ".heic", "image/heic")
AVIF = SourceFormat("AVIF", ".avif", "image/avif")

DECODED_FORMATS = (JPEG, PNG, WEBP, GIF, TIFF, HEIC, AVIF)
_CONTENT_TYPES = {
    **{source_format.extension: source_format.content_type for source_format in DECODED_FORMATS},
    ".jpeg": "image/jpeg",
    ".tiff": "image/tiff",
    ".heif": "image/heif",
}

UnsupportedKind = Literal["raw", "video", "other"]
# Extensions of files whose contents are refused, by kind: lower case, without the dot. Never list an extension that a
# decoded format uses.
UNSUPPORTED_EXTENSIONS: Mapping[UnsupportedKind, tuple[str, ...]] = {
    "raw": (
        "3fr", "ari", "arw", "bay", "cap", "cr2", "cr3", "crw", "dcr", "dcs", "dng", "eip", "erf", "fff", "gpr",
        "iiq", "k25", "kdc", "mdc", "mef", "mos", "mrw", "nef", "nrw", "orf", "ori", "pef", "ptx", "raf", "raw",
        "rw2", "rwl", "rwz", "sr2", "srf", "srw", "x3f",
    ),
    "video": (
        "360", "3g2", "3gp", "asf", "avi", "braw", "crm", "divx", "dv", "f4v", "flv", "insv", "lrv", "m1v", "m2t",
        "m2ts", "m2v", "m4v", "mkv", "mod", "mov", "mp4", "mpe", "mpeg", "mpg", "mts", "mxf", "ogg", "ogm", "ogv",
        "qt", "r3d", "tod", "ts", "vob", "webm", "wmv",
    ),
    "other": (
        # Pictures and drawings
        "afphoto", "ai", "blp", "bmp", "cur", "dds", "dib", "emf", "eps", "exr", "fits", "hdp", "hdr", "icns", "ico",
        "indd", "j2c", "j2k", "jp2", "jpc", "jpf", "jpm", "jpx", "jxl", "jxr", "pam", "pbm", "pcx", "pdf", "pgm",
        "pnm", "ppm", "ps", "psb", "psd", "qoi", "ras", "rgb", "sgi", "svg", "svgz", "tga", "wdp", "wmf", "xcf",
        "xpm",
        # Catalogues, edits, indexes and thumbnails (.thm: a JPEG, but not the photograph) beside photographs
        "aae", "cos", "ctg", "dop", "lrcat", "lrtemplate", "nksc", "pp3", "thm", "xmp",
        # Notes, sound and archives
        "7z", "csv", "doc", "docx", "gz", "htm", "html", "json", "m4a", "mp3", "rar", "rtf", "tar", "txt", "wav",
        "xml", "zip",
    ),
}  # fmt: skip

_DECODED = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
)

# Recognised, so that the photographer is told what the file is, but not decoded.
_NAMED = (
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
    (b"\x00\x00\x02\x00\x01\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"DDS ", "DDS"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\x01\xda\x00", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"SIMPLE  =", "FITS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"/* XPM */", "XPM"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"FLV\x01", "FLV video"),
    (b"OggS", "Ogg video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV video"),
    (b"\x00\x00\x01\xba", "MPEG video"),
    (b"\x00\x00\x01\xb3", "MPEG video"),
)
# Brands of ISO base media files (ISO/IEC 14496-12, 4.3): the major one at byte 8 of the `ftyp` box, those that
# the file is compatible with from byte 16 on. Of the general `mif1` and `msf1` only the others tell the coding.
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_GENERAL_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})
_BRANDS = {b"crx ": "CR3 (camera RAW)", b"qt  ": "MOV video", b"jp2 ": "JPEG 2000"}
# Still pictures in codings or forms that are not decoded. They share the extensions of those that are.
_HEIF_BRANDS = {
    b"mif3": "HEIF in its short form (mif3)", b"jpeg": "HEIF with JPEG", b"jpgs": "HEIF with JPEG",
    b"j2ki": "HEIF with JPEG 2000", b"j2is": "HEIF with JPEG 2000", b"avci": "HEIF with H.264",
    b"avcs": "HEIF with H.264", b"vvic": "HEIF with H.266", b"vvis": "HEIF with H.266", b"evbi": "HEIF with EVC",
    b"evbs": "HEIF with EVC",
}  # fmt: skip
# What may stand before an SVG's first element, and how each of these ends.
_PREAMBLE = ((b"<?xml", b">"), (b"<!--", b"-->"), (b"<!doctype svg", b">"))
_PNM = re.compile(rb"P[1-7]\s")
# Pillow is built without these where it does not find their libraries.
_OPTIONAL = frozenset({"webp", "avif"})


def content_type_of(extension: str) -> str | None:
    """Return the content type of a decoded format's `extension` (with its dot, in any case); `None` for others."""
    return _CONTENT_TYPES.get(extension.lower())


def is_built_in(name: str) -> bool:
    """Whether this Pillow can decode and encode a format; a Pillow that was compiled by hand may lack some."""
    if name.lower() not in _OPTIONAL:
        return True
    from PIL import features  # noqa: PLC0415 - loads the library in question, which few files need

    return bool(features.check(name.lower()))


def identify(head: bytes) -> SourceFormat:
    """Return the format of a file that begins with `head` (its first `HEAD_BYTES` or all of it).

    Raises `RejectedImage`: `unsupported_format` with the name of what was recognised, else `not_an_image`.
    """
    for signature, source_format in _DECODED:
        if head.startswith(signature):
            return source_format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if (coded := _still_coding(head)) is not None:
        return coded
    if not head:
        raise RejectedImage("not_an_image", "the file is empty")
    if name := _recognise(head):
        raise RejectedImage(
            "unsupported_format", f"the file is {name}, which is not supported: export it as JPEG, TIFF or PNG"
        )
    raise RejectedImage("not_an_image", "the file's bytes are not those of an image")


def _is_svg(head: bytes) -> bool:
    # By hand: a pattern over comments needs possessive repetition, else 500 empty ones are searched for ever, and
    # Python before 3.11.5 gets that wrong (CPython issue 101955).
    head = head.lstrip()
    while end := next((end for start, end in _PREAMBLE if head.startswith(start)), None):
        _, found, rest = head.partition(end)
        if not found:
            return False
        head = rest.lstrip()
    return head[:4] == b"<svg" and head[4:5] in (b" ", b">", b"\t", b"\n", b"\r")


def _recognise(head: bytes) -> str | None:
    name = next((name for signature, name in _NAMED if head.startswith(signature)), None)
    if head[4:8] == b"ftyp":
        name = _HEIF_BRANDS.get(head[8:12]) or _BRANDS.get(head[8:12], "MP4 video")
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        name = "AVI video"
    elif b"%PDF-" in head[:1024]:
        name = "PDF"
    elif head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        name = "BMP"
    elif _is_svg(head.removeprefix(b"\xef\xbb\xbf").lower()):
        name = "SVG"
    elif _PNM.match(head):
        name = "PNM"
    return name


def _still_coding(head: bytes) -> SourceFormat | None:
    """HEIC or AVIF, where an ISO base media file holds a still picture."""
    if head[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(head[:4], "big"), len(head))
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, length - 3, 4)}
    if major in _AVIF_BRANDS:
        return AVIF
    if major in _HEIC_BRANDS:
        return HEIC
    if major in _GENERAL_BRANDS:
        return AVIF if compatible & _AVIF_BRANDS else HEIC
    return None
