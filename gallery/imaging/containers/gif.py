"""GIF (version 89a): screen, frames, end, block by block."""

from __future__ import annotations

import mmap
import struct

from gallery.imaging.containers.survey import Survey

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B


def survey(data: mmap.mmap) -> Survey:
    """Count the frames without decoding any. A file that ends between two blocks only lacks its trailer."""
    if len(data) < 13:
        return Survey(complete=False)
    size = struct.unpack_from("<HH", data, 6)
    at = 13 + _table_bytes(data[10])
    frames = 0
    while at < len(data):
        kind = data[at]
        if kind == _IMAGE:
            if at + 11 > len(data):
                return Survey(complete=False, size=size, frames=max(1, frames))
            left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
            if frames == 0:  # Pillow's canvas grows with a first frame that reaches beyond the screen
                size = max(size[0], left + width), max(size[1], top + height)
            end = _behind_blocks(data, at + 11 + _table_bytes(flags))
            frames += 1
        elif kind == _EXTENSION:
            end = _behind_blocks(data, at + 2)
        else:
            # The trailer; or something foreign, where decoders stop too.
            return Survey(complete=kind == _TRAILER or frames > 0, size=size, frames=max(1, frames))
        if end is None:
            return Survey(complete=False, size=size, frames=max(1, frames))
        at = end
    return Survey(complete=frames > 0, size=size, frames=max(1, frames))


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: mmap.mmap, at: int) -> int | None:
    """Where a chain of sub-blocks that begins at `at` has ended; `None` where the file ends before."""
    while at < len(data):
        length = data[at]
        at += 1 + length
        if length == 0:
            return at
    return None
