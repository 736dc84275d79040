"""Cuts and resizes the picture for every style."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from gallery.imaging.geometry import Placement, Size, is_half
from gallery.imaging.picture_steps import REDUCING_GAP


def cut_for_styles(picture: Image.Image, size: Size, placements: Sequence[Placement]) -> list[Image.Image]:
    """Return what each placement shows of `picture`, in the order of `placements`.

    `size` (pixels) is that to which the placements refer. Large cuts are made before small ones, so that a small one
    can start from a larger one's pixels.
    """
    levels = [picture]
    cuts: dict[int, Image.Image] = {}
    for number in sorted(range(len(placements)), key=lambda number: placements[number].whole, reverse=True):
        placement = placements[number]
        level = min(
            (level for level in levels if is_half(level.size, placement.whole)),
            key=lambda level: level.width,
            default=picture,
        )
        cut = _resample(level, size, placement)
        if cut.size == placement.whole and cut is not picture:
            levels.append(cut)
        cuts[number] = cut
    return [cuts[number] for number in range(len(placements))]


def _resample(level: Image.Image, size: Size, placement: Placement) -> Image.Image:
    whole = placement.size == placement.whole
    if whole and level.size == placement.size:
        return level
    across, down = level.width / size[0], level.height / size[1]
    left, top, right, bottom = placement.crop
    box = (left * across, top * down, min(right * across, level.width), min(bottom * down, level.height))
    return level.resize(placement.size, Image.Resampling.LANCZOS, box, REDUCING_GAP)
