"""What a container says without its pixels being decoded: how large is its picture, how many, are they all there.

Decoders forgive files that were cut: libjpeg paints the missing part grey, zlib-based ones may stop early.
A photographer wants to know instead, so the end is looked for here. What decoders allocate before they can be
asked is found here too.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

from gallery.imaging.containers import gif, isobmff, jpeg, png, tiff, webp
from gallery.imaging.containers.survey import Box, CodedColour, Survey
from gallery.imaging.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP, SourceFormat

__all__ = ["Box", "CodedColour", "Survey", "survey_file"]

_SURVEYORS: dict[SourceFormat, Callable[[mmap.mmap], Survey]] = {
    JPEG: jpeg.survey,
    PNG: png.survey,
    WEBP: webp.survey,
    GIF: gif.survey,
    TIFF: tiff.survey,
    HEIC: isobmff.survey,
    AVIF: isobmff.survey,
}


def survey_file(path: Path, source_format: SourceFormat) -> Survey:
    """Walk the structure of `path`, which is not empty. Raises `RejectedImage` where it is absurd."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _SURVEYORS[source_format](data)
        except (struct.error, IndexError, OverflowError):  # it ends within a header, or points beyond all files
            return Survey(complete=False)
