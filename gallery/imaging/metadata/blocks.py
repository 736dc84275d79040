"""Where files keep their XMP packet and their IPTC-IIM datasets."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from gallery.imaging.metadata.exif import Lookup, raw_profile

_XMP, _RESOURCES = 700, 34377  # TIFF tags; EXIF, a TIFF itself, may hold them in any format
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_RESOURCES_SEGMENT = b"Photoshop 3.0\0"
_RESOURCE_SIGNATURES = frozenset({b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa"})
_IIM_RESOURCE, _IIM_DIGEST = 0x0404, 0x0425
_MAX_SEGMENTS, _MAX_RESOURCES = 100, 1000
_MAX_IIM_BYTES = 1024 * 1024
_MAX_XMP_BYTES = 512 * 1024  # takes a tenth of a second where all of it is markup; most have 20 kB
_IIM_MARK = b"\x1c"


@dataclass(frozen=True, slots=True)
class IimBlock:
    """IPTC-IIM datasets; `changed`, where they are no longer those that the XMP was written with."""

    data: bytes
    changed: bool


NO_IIM = IimBlock(b"", changed=False)


def xmp_packet(image: Image.Image, tag: Lookup) -> bytes:
    """Return the XMP packet of an opened file, up to a bound; empty where there is none."""
    found = image.info.get("xmp") or tag(_XMP) or raw_profile(image, "xmp", "APP1") or b""
    found = found[:_MAX_XMP_BYTES]
    if isinstance(found, str):  # a TIFF's, declared as text
        found = found.encode("latin-1", "ignore")
    return found.removeprefix(_XMP_SEGMENT).lstrip(b"\0 \r\n\t") if isinstance(found, bytes) else b""


def iim_block(image: Image.Image, tag: Lookup, found: bytes | None) -> IimBlock:
    """Return the datasets of an opened file, `found` in a TIFF's tag of their own or from Photoshop's resources."""
    legacy = raw_profile(image, "iptc", "8bim") or b""
    resources = _resources(_photoshop_segments(image) or tag(_RESOURCES) or legacy)
    candidates = (_in_order(found or b""), resources.get(_IIM_RESOURCE, b""), legacy)
    data = next((block for block in candidates if block.startswith(_IIM_MARK)), b"")
    digest = resources.get(_IIM_DIGEST)
    return IimBlock(data, changed=digest is not None and digest not in _digests(data))


def _photoshop_segments(image: Image.Image) -> bytes:
    """A JPEG's resources: where they are long, in several segments."""
    segments: list[tuple[str, bytes]] = getattr(image, "applist", [])
    return b"".join(
        body.removeprefix(_RESOURCES_SEGMENT)
        for name, body in segments[:_MAX_SEGMENTS]
        if name == "APP13" and body.startswith(_RESOURCES_SEGMENT)
    )


def _resources(data: bytes) -> Mapping[int, bytes]:
    """Photoshop's image resources of IIM, by number (Photoshop File Formats Specification)."""
    data = data.removeprefix(_RESOURCES_SEGMENT)
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(_MAX_RESOURCES):
        if at + 12 > len(data) or data[at : at + 4] not in _RESOURCE_SIGNATURES:
            break
        number, name = int.from_bytes(data[at + 4 : at + 6], "big"), data[at + 6]
        at += 6 + (name + 2) // 2 * 2  # the name, with its length, is padded to even
        start = at + 4
        end = start + int.from_bytes(data[at:start], "big")
        if number in (_IIM_RESOURCE, _IIM_DIGEST):
            found.setdefault(number, data[start : min(end, start + _MAX_IIM_BYTES)])
        at = end + end % 2
    return found


def _in_order(data: bytes) -> bytes:
    """A TIFF declares its datasets as 32-bit numbers, and some programs have then swapped their bytes."""
    if not data.startswith(_IIM_MARK) and data[3:4] == _IIM_MARK:
        numbers = array("I", data[: len(data) // 4 * 4])
        numbers.byteswap()
        return numbers.tobytes()
    return data


def _digests(data: bytes) -> frozenset[bytes]:
    return frozenset(hashlib.md5(block, usedforsecurity=False).digest() for block in (data, data.rstrip(b"\0")))
