"""What a page shows until the picture has loaded: its dominant colour, and a ThumbHash of some 25 bytes.

ThumbHash (https://evanw.github.io/thumbhash/) keeps shape and transparency too, which a BlurHash does not; pages
decode it with the published library, or show the colour alone.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence

from PIL import Image

# Pixels: the hash keeps seven waves a side at most, which fewer pixels than that cannot hold, and more only cost.
_SHORTEST_SIDE, _LONGEST_SIDE = 8, 32
_SHADES = 8

Channel = list[list[float]]


def placeholder_of(image: Image.Image) -> dict[str, str]:
    """`colour` as #rrggbb and `thumbhash` in base64, of a rendition's pixels (RGB or RGBA, sRGB)."""
    longest = max(image.size)
    width, height = (max(_SHORTEST_SIDE, round(side * min(1, _LONGEST_SIDE / longest))) for side in image.size)
    small = image.convert("RGBA").resize((width, height), Image.Resampling.BOX)
    hashed = _thumbhash(small, image.size)
    return {"colour": _dominant_colour(small), "thumbhash": base64.b64encode(hashed).decode("ascii")}


def _dominant_colour(small: Image.Image) -> str:
    """The most frequent of a few shades, where the picture is not transparent."""
    ground = Image.new("RGB", small.size, (255, 255, 255))
    ground.paste(small, mask=small.getchannel("A"))
    shades = ground.quantize(_SHADES, Image.Quantize.MEDIANCUT)
    _, most = max((count, index) for count, index in shades.getcolors() or [(1, 0)])
    palette = shades.getpalette() or [255, 255, 255]
    return "#" + bytes(palette[3 * int(str(most)) : 3 * int(str(most)) + 3]).hex()


def _thumbhash(small: Image.Image, shape: tuple[int, int]) -> bytes:
    """As the reference implementation's `rgbaToThumbHash`, its sums taken first along rows, then columns.

    `shape` is the picture's own size, whose proportions the hash keeps.
    """
    width, height = shape
    luma, yellow, red, alpha, clear = _channels(small)
    limit = 5 if clear else 7  # fewer waves of luminance where transparency needs room
    across = max(1, round(limit * width / max(width, height)))
    down = max(1, round(limit * height / max(width, height)))
    l_dc, l_ac, l_scale = _waves(luma, max(3, across), max(3, down))
    p_dc, p_ac, p_scale = _waves(yellow, 3, 3)
    q_dc, q_ac, q_scale = _waves(red, 3, 3)
    landscape = width > height
    header = round(63 * l_dc) | round(31.5 + 31.5 * p_dc) << 6 | round(31.5 + 31.5 * q_dc) << 12
    header |= round(31 * l_scale) << 18 | clear << 23
    flags = (down if landscape else across) | round(63 * p_scale) << 3 | round(63 * q_scale) << 9 | landscape << 15
    hashed = header.to_bytes(3, "little") + flags.to_bytes(2, "little")
    nibbles = [*l_ac, *p_ac, *q_ac]
    if clear:
        a_dc, a_ac, a_scale = _waves(alpha, 5, 5)
        hashed += bytes([round(15 * a_dc) | round(15 * a_scale) << 4])
        nibbles += a_ac
    nibbles += [0] * (len(nibbles) % 2)
    packed = (low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return hashed + bytes(packed)


def _channels(small: Image.Image) -> tuple[Channel, Channel, Channel, Channel, bool]:
    """Luminance, yellow-blue, red-green and alpha, 0-1; transparent pixels take the average colour."""
    width, height = small.size
    data = small.tobytes()
    pixels = [tuple(part / 255 for part in data[at : at + 4]) for at in range(0, len(data), 4)]
    weight = sum(pixel[3] for pixel in pixels)
    average = [sum(pixel[i] * pixel[3] for pixel in pixels) / weight if weight else 0.0 for i in range(3)]
    laid = [[average[i] * (1 - pixel[3]) + pixel[i] * pixel[3] for i in range(3)] for pixel in pixels]

    def rows(of: Callable[[int], float]) -> Channel:
        return [[of(y * width + x) for x in range(width)] for y in range(height)]

    return (
        rows(lambda at: sum(laid[at]) / 3),
        rows(lambda at: (laid[at][0] + laid[at][1]) / 2 - laid[at][2]),
        rows(lambda at: laid[at][0] - laid[at][1]),
        rows(lambda at: pixels[at][3]),
        weight < len(pixels),
    )


def _waves(channel: Channel, across: int, down: int) -> tuple[float, list[int], float]:
    """The mean, the lowest waves of a cosine transform as 0-15, and their scale."""
    width, height = len(channel[0]), len(channel)
    row_waves = _cosines(across, width)
    column_waves = _cosines(down, height)
    by_row = [[_dot(row, wave) for wave in row_waves] for row in channel]
    found = []
    for cy in range(down):
        for cx in range(across):
            if cx * down < across * (down - cy):
                column = [sums[cx] for sums in by_row]
                found.append(_dot(column, column_waves[cy]) / (width * height))
    mean, rest = found[0], found[1:]
    scale = max(map(abs, rest), default=0.0)
    if scale == 0:
        return mean, [0] * len(rest), 0.0
    return mean, [round(15 * (0.5 + 0.5 / scale * value)) for value in rest], scale


def _cosines(count: int, length: int) -> list[list[float]]:
    return [[math.cos(math.pi / length * wave * (at + 0.5)) for at in range(length)] for wave in range(count)]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
