"""Sharpens a rendition after its resize, where a style asks for it."""

from __future__ import annotations

from PIL import Image, ImageFilter

# A pixel's neighbours only: what a reduction softens. The threshold leaves smooth skies and noise alone.
_RADIUS, _THRESHOLD = 0.8, 2


def sharpen(image: Image.Image, percent: int) -> Image.Image:
    """Return `image` (RGB or RGBA) with an unsharp mask of `percent` strength."""
    mask = ImageFilter.UnsharpMask(_RADIUS, percent, _THRESHOLD)
    if image.mode != "RGBA":
        return image.filter(mask)
    # Premultiplied and together with its transparency: else the unseen colours of transparent pixels would
    # darken the edges.
    return image.convert("RGBa").filter(mask).convert("RGBA")
