"""PNG (third edition): size, frames, EXIF and end, chunk by chunk."""

from __future__ import annotations

import mmap
import struct

from gallery.imaging.containers.survey import Survey

_LONGEST_EXIF = 1024 * 1024
_MOST_FRAMES = 2**31 - 1  # what an animation may claim; decoders take others for still pictures


def survey(data: mmap.mmap) -> Survey:
    """Walk the chunks. EXIF is taken from here: asked for it, Pillow decodes the picture to look behind it."""
    size, frames, exif, complete = None, 1, None, False
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], at + 8
        if kind == b"IHDR" and length >= 8:
            size = struct.unpack_from(">II", data, body)
        elif kind == b"acTL" and length >= 4:
            (claimed,) = struct.unpack_from(">I", data, body)
            frames = claimed if 0 < claimed <= _MOST_FRAMES else 1
        elif kind == b"eXIf" and length <= _LONGEST_EXIF:
            exif = data[body : body + length]
        elif kind == b"IEND":
            complete = True
            break
        at = body + length + 4
    return Survey(complete, size=size, frames=frames, exif=exif)
