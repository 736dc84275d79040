"""How much memory decoding one image takes, from its header."""

from __future__ import annotations

from collections.abc import Sequence

from gallery.imaging.colour_codes import is_hdr
from gallery.imaging.formats import AVIF, HEIC, JPEG, TIFF, WEBP
from gallery.imaging.geometry import Placement, Size, shared_reduction
from gallery.imaging.recipe import FileFormat, Style
from gallery.imaging.source import OpenedImage

_ONE_BYTE_MODES = frozenset({"1", "L", "P"})
_CONVERTED_MODES = frozenset({"1", "P", "PA", "I;16", "I;16B", "I;16L", "LAB", "YCbCr", "RGBX", "HSV"})
_FIXED = 8 * 1024 * 1024


# Bytes that an encoder takes for each pixel, measured; JPEG and PNG go row by row.
_ENCODER_BYTES: dict[FileFormat, int] = {"jpeg": 0, "png": 0, "webp": 26, "avif": 32}


def rendering_bytes(
    opened: OpenedImage, placements: Sequence[Placement], styles: Sequence[Style], full_size: Size
) -> int:
    """Bytes that rendering `opened` takes at its height, on the large side; a scaled decoding already chosen.

    `full_size` is the picture's size before the scaled decoding, in pixels like all sizes here.
    """
    image = opened.image
    area, bytes_per_pixel = _area(image.size), 1 if image.mode in _ONE_BYTE_MODES else 4
    reduced = opened.oriented(shared_reduction(opened.size, placements))
    outputs = max(
        _area(placement.canvas or placement.size) * (8 + _ENCODER_BYTES[style.format])
        for placement, style in zip(placements, styles, strict=True)
    )
    # A JPEG's pixels are copied once, when its decoder is gone.
    copied = area * bytes_per_pixel if opened.source_format == JPEG else 0
    total = _FIXED + area * bytes_per_pixel + max(opened.survey.decoder_bytes, copied)
    # Resampling goes by way of a picture that is as wide as the result and as high as the source.
    total += 4 * (reduced[0] * image.height + _area(reduced)) + outputs
    if image.mode in _CONVERTED_MODES:
        total += 4 * area  # its copy in a mode that can be resampled
    if image.has_transparency_data or opened.survey.key:
        total += 4 * area  # its copy with premultiplied alpha
    if opened.survey.key:
        total += 8 * area  # the low bytes, and channels of both
    if opened.clean_aperture:
        total += area * bytes_per_pixel  # the part that is shown
    if opened.survey.colour and is_hdr(opened.survey.colour):
        total += 8 * area  # two copies between the steps of the tone-mapping
    return total + _of_format(opened, full_size, area * bytes_per_pixel)


def _of_format(opened: OpenedImage, full_size: Size, picture: int) -> int:
    if opened.source_format == WEBP:
        return opened.file_bytes + 2 * _area(full_size) * 4  # the file and two canvases
    if opened.source_format == AVIF:
        return 2 * opened.file_bytes + _area(full_size) * 8  # planes of 16 bits, and the pixels as bytes
    if opened.source_format == HEIC:
        # Planes and the pixels as bytes, of 16 bits where the picture has more than 8.
        return 3 * opened.file_bytes + _area(full_size) * (13 if opened.image.info.get("bit_depth", 8) > 8 else 6)
    if opened.source_format == TIFF:
        return picture  # turned upright by the decoder, as a copy
    return 0


def _area(size: Size) -> int:
    return size[0] * size[1]
