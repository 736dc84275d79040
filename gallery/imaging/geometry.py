"""Sizes only: what part of the picture a style shows, how large, and how much a decoder may shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gallery.imaging.recipe import Style

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """How a style lays out a picture, in pixels of the picture after orientation.

    `crop` is the part shown (left, top, right, bottom), `size` what that part is resized to, `whole` how
    large the uncropped picture would be at that scale, `canvas` the padded size where there is one.
    """

    crop: tuple[float, float, float, float]
    size: Size
    whole: Size
    canvas: Size | None = None


def place(picture: Size, style: Style) -> Placement:
    """Lay `picture` out for `style`; never larger than it is."""
    width, height = picture
    if style.fit == "cover":
        return _cover(picture, style)
    scale = min(style.width / width, style.height / height, 1.0)
    size = _scaled(picture, scale)
    canvas = (style.width, style.height) if style.fit == "pad" else None
    return Placement((0, 0, width, height), size, size, canvas)


def _cover(picture: Size, style: Style) -> Placement:
    width, height = picture
    # The largest part of the picture that has the box's shape, from its middle.
    part = min(width / style.width, height / style.height)
    shown_width, shown_height = style.width * part, style.height * part
    # Rounding may leave a tiny negative here, which no decoder takes.
    left, top = max(0.0, (width - shown_width) / 2), max(0.0, (height - shown_height) / 2)
    size = _scaled((style.width, style.height), min(part, 1.0))
    whole = _scaled(picture, min(1 / part, 1.0))
    return Placement((left, top, min(left + shown_width, width), min(top + shown_height, height)), size, whole)


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def least_decoded(placements: Sequence[Placement]) -> Size:
    """The size, after orientation, that a scaled decoding must not fall below."""
    return max(p.whole[0] for p in placements), max(p.whole[1] for p in placements)


def shared_reduction(picture: Size, placements: Sequence[Placement]) -> Size:
    """The size that the decoded picture may be brought to once, before every style is cut from it.

    That is the largest style's, where all others are at most half of it: a second resampling by two or more
    is not seen (Lanczos over at least four samples), one by a little softens. Else the picture's own.
    """
    largest = least_decoded(placements)
    halved = all(p.whole == largest or is_half(largest, p.whole) for p in placements)
    return largest if halved and largest < picture else picture


def is_half(larger: Size, smaller: Size) -> bool:
    """Whether `smaller` is at most half of `larger`, give or take the rounding of one pixel."""
    return larger[0] + 1 >= 2 * smaller[0] and larger[1] + 1 >= 2 * smaller[1]
