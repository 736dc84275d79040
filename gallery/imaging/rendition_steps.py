"""The steps that are done once per rendition: from its cut of the picture to a file on disk.

Each step takes the `UnfinishedRendition`, and replaces `rendition.image` where it changes pixels. The cut itself stays
as it is: other renditions may be the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gallery.imaging.encode import ENCODINGS, flatten, write_rendition
from gallery.imaging.geometry import Placement
from gallery.imaging.recipe import Style, Watermark
from gallery.imaging.rendered import RenditionFile
from gallery.imaging.sharpening import sharpen
from gallery.imaging.watermark import draw_watermark


@dataclass(slots=True)
class UnfinishedRendition:
    """A rendition between the steps; `exif` is written into its file, `path`."""

    image: Image.Image
    placement: Placement
    style: Style
    watermark: Watermark | None
    exif: bytes
    path: Path

    def finished(self) -> RenditionFile:
        """Describe the file that was written."""
        content_type = ENCODINGS[self.style.format].content_type
        size = self.path.stat().st_size
        return RenditionFile(self.style.name, self.path, self.image.width, self.image.height, size, content_type)


def flatten_where_format_is_opaque(rendition: UnfinishedRendition) -> None:
    """Lay transparent pixels on the style's background, where its format has no transparency."""
    if not ENCODINGS[rendition.style.format].alpha:
        rendition.image = flatten(rendition.image, rendition.style.background)


def sharpen_edges(rendition: UnfinishedRendition) -> None:
    """Sharpen, where the style asks for it."""
    if rendition.style.sharpening:
        rendition.image = sharpen(rendition.image, rendition.style.sharpening)


def add_watermark(rendition: UnfinishedRendition) -> None:
    """Lay the watermark on the picture, where the style asks for it."""
    if rendition.style.watermark and rendition.watermark is not None:
        rendition.image = draw_watermark(rendition.image, rendition.watermark)


def pad_to_canvas(rendition: UnfinishedRendition) -> None:
    """Centre the picture on a canvas of the style's background, for styles that pad."""
    if rendition.placement.canvas is None:
        return
    background = rendition.style.background
    canvas = Image.new("RGB", rendition.placement.canvas, background)
    rendition.image = image = flatten(rendition.image, background)
    canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
    rendition.image = canvas


def encode(rendition: UnfinishedRendition) -> None:
    """Write the file. Raises `OSError` where the disk does not take it."""
    write_rendition(rendition.image, rendition.style, rendition.path, rendition.exif)
