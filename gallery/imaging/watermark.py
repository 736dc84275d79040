"""Lays the watermark on a rendition."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image

from gallery.imaging.geometry import Size
from gallery.imaging.recipe import Watermark


def draw_watermark(image: Image.Image, watermark: Watermark) -> Image.Image:
    """Return a copy of `image` (RGB or RGBA) with the mark on it."""
    short = min(image.size)
    margin = round(short * watermark.margin)
    wanted = max(watermark.smallest, round(short * watermark.scale))
    room = max(1, image.width - 2 * margin), max(1, image.height - 2 * margin)
    mark = _scaled_mark(watermark, wanted, room)
    at = _position(image.size, mark.size, watermark.anchor, margin)
    marked = image.copy()
    if image.mode == "RGBA":
        marked.alpha_composite(mark, at)
    else:
        marked.paste(mark, at, mark)
    return marked


def open_mark(data: bytes) -> Image.Image:
    """Decode a watermark's PNG or WebP to RGBA. Raises what Pillow raises where it is broken."""
    with Image.open(BytesIO(data), formats=["PNG", "WEBP"]) as mark:
        return mark.convert("RGBA")


# One gallery has few sizes of rendition, mostly two shapes of two styles.
@lru_cache(maxsize=32)
def _scaled_mark(watermark: Watermark, width: int, room: Size) -> Image.Image:
    mark = open_mark(watermark.image)
    scale = min(width / mark.width, room[0] / mark.width, room[1] / mark.height)
    size = max(1, round(mark.width * scale)), max(1, round(mark.height * scale))
    mark = mark.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    mark.putalpha(mark.getchannel("A").point(lambda alpha: round(alpha * watermark.opacity)))
    return mark


def _position(image: Size, mark: Size, anchor: str, margin: int) -> tuple[int, int]:
    right, bottom = image[0] - mark[0] - margin, image[1] - mark[1] - margin
    if anchor == "center":
        return (image[0] - mark[0]) // 2, (image[1] - mark[1]) // 2
    return (margin if "left" in anchor else right), (margin if "top" in anchor else bottom)
