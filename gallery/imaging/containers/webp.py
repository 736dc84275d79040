"""WebP (RFC 9649): canvas, frames, end."""

from __future__ import annotations

import mmap
import struct

from gallery.imaging.containers.survey import Survey


def survey(data: mmap.mmap) -> Survey:
    """Pillow's WebP decoder makes room for its canvas as soon as it is opened, before its size can be asked."""
    length = 8 + int.from_bytes(data[4:8], "little")
    complete = 12 <= length <= len(data)
    return Survey(complete, size=_size(data[:30]), frames=max(1, _count_frames(data, min(length, len(data)))))


def _size(head: bytes) -> tuple[int, int] | None:
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


def _count_frames(data: mmap.mmap, end: int) -> int:
    frames, at = 0, 12
    while at + 8 <= end:
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        frames += kind == b"ANMF"
        at += 8 + length + (length & 1)
    return frames
