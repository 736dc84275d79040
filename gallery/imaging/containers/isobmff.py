"""HEIC and AVIF (ISO/IEC 14496-12, 23008-12): brands, end, and the colour that is named by number."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator

from gallery.imaging.containers.survey import CodedColour, Survey

# What may stand at the top of such a file; anything else trails behind it.
_TOP = frozenset(
    {b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid", b"idat", b"mfra", b"pdin"}
)
_NCLX = re.compile(rb"colrnclx(..)(..)", re.S)


def survey(data: mmap.mmap) -> Survey:
    """Walk the boxes at the top. Sizes and frames are the decoder's to tell: it parses before it decodes."""
    complete, kinds, colour = True, set(), None
    for kind, start, end in _boxes(data):
        kinds.add(kind)
        complete = complete and end <= len(data)
        if kind == b"meta" and (match := _NCLX.search(data, start, min(end, len(data)))):
            colour = CodedColour(int.from_bytes(match[1], "big"), int.from_bytes(match[2], "big"))
    complete = complete and (b"meta" in kinds or b"moov" in kinds)
    return Survey(complete, colour=colour)


def _boxes(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    at = 0
    while at + 8 <= len(data):
        (length,), kind, body = struct.unpack_from(">I", data, at), data[at + 4 : at + 8], at + 8
        if length == 1 and at + 16 <= len(data):
            (length,), body = struct.unpack_from(">Q", data, at + 8), at + 16
        if kind not in _TOP:
            return
        end = len(data) if length == 0 else at + length
        if end < body:
            return
        yield kind, body, end
        at = end
