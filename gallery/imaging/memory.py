"""How much memory decoding one image takes, from its header."""

from __future__ import annotations

from collections.abc import Sequence

from gallery.imaging.formats import JPEG, WEBP
from gallery.imaging.geometry import Placement, Size, shared_reduction
from gallery.imaging.source import OpenedImage

_ONE_BYTE_MODES = frozenset({"1", "L", "P"})
_CONVERTED_MODES = frozenset({"1", "P", "PA", "I", "I;16", "I;16B"})
_FIXED = 8 * 1024 * 1024


def decoding_bytes(opened: OpenedImage, placements: Sequence[Placement], full_size: Size) -> int:
    """Bytes that rendering `opened` takes at its height, on the large side; a scaled decoding already chosen.

    `full_size` is the picture's size before the scaled decoding, in pixels like all sizes here.
    """
    image = opened.image
    width, height = image.size
    reduced = opened.oriented(shared_reduction(opened.size, placements))
    outputs = max(_area(p.canvas or p.size) for p in placements)
    total = _FIXED + _area(image.size) * (1 if image.mode in _ONE_BYTE_MODES else 4)
    # Resampling goes by way of a picture that is as wide as the result and as high as the source.
    total += 4 * (reduced[0] * height + _area(reduced) + 2 * outputs)
    if image.mode in _CONVERTED_MODES:
        total += 4 * width * height  # its copy in a mode that can be resampled
    if image.has_transparency_data:
        total += 4 * width * height  # its copy with premultiplied alpha
    if opened.source_format == JPEG and image.info.get("progressive"):
        # libjpeg keeps all coefficients of all components, two bytes each, however small it decodes.
        total += _area(full_size) * len(image.getbands()) * 2
    if opened.source_format == WEBP:
        total += opened.file_bytes + 2 * _area(full_size) * 4  # the file and two canvases
    return total


def _area(size: Size) -> int:
    return size[0] * size[1]
