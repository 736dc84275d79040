"""What a container says without its pixels being decoded: is it all there, and how large is its picture.

Decoders forgive files that were cut: libjpeg paints the missing part grey, zlib-based ones may stop early.
A photographer wants to know instead, so the end is looked for here.
"""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path

from gallery.imaging.formats import JPEG, PNG, WEBP, SourceFormat

# In entropy-coded data FF is followed by 00 (stuffing), by a restart marker, or by another FF (fill);
# anything else is the next real marker (ITU-T T.81, B.1.1).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_SOS, _JPEG_EOI = 0xDA, 0xD9
_JPEG_BARE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length
_PNG_END = b"IEND\xaeB`\x82"


def is_complete(path: Path, source_format: SourceFormat) -> bool:
    """Whether the picture's data reaches its end marker; what trails behind that does not matter."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if source_format == JPEG:
            # Nearly every file ends with the marker; only others, such as motion photos, are walked.
            return data[-2:] == b"\xff\xd9" or _jpeg_has_end(data)
        if source_format == PNG:
            return data[-8:] == _PNG_END or _png_has_end(data)
        if source_format == WEBP:
            return len(data) >= 12 and len(data) >= 8 + int.from_bytes(data[4:8], "little")
        return True


def _jpeg_has_end(data: mmap.mmap) -> bool:
    at = 2
    while match := _JPEG_MARKER.search(data, at):
        at, marker = match.end(), data[match.end() - 1]
        if marker == _JPEG_EOI:
            return True
        if marker not in _JPEG_BARE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return False


def _png_has_end(data: mmap.mmap) -> bool:
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from a WebP's first 30 bytes, `None` where they are broken (RFC 9649).

    Pillow's WebP decoder reads the whole file and makes room for its canvas as soon as it is opened,
    before its size can be asked.
    """
    chunk = head[12:16]
    if len(head) < 30:
        return None
    if chunk == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
