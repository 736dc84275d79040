"""High dynamic range, PQ and HLG (ITU-R BT.2100), as profiles that bring it to sRGB.

Diffuse white, at 203 cd/m2 (BT.2408), is the white of sRGB. What is brighter is rolled off by the curve of BT.2390
from shortly below; its knee would be much lower, and diffuse white grey, if it had to make room for 1,000 cd/m2.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import chain

from PIL import Image, ImageFilter

from gallery.imaging.colour_codes import HLG, PQ, primaries_of, signal
from gallery.imaging.containers.survey import CodedColour
from gallery.imaging.profiles import luminances, matrix_profile

Shift = tuple[float, float, float]
NOTHING: Shift = (0.0, 0.0, 0.0)
# libavif makes 8 bits of more by cutting off chroma's. Measured over random colours it costs three times as much on
# average, but of greys nothing is lost, and they are to stay grey.
LOST_BY_LIBAVIF: Shift = (0.2, -0.07, 0.28)

_WHITE = 203.0  # cd/m2
_BRIGHTEST = 270.0  # cd/m2; diffuse white is 250 of 255 then, at 1,000 it would be 229
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2  # of the nominal display: BT.2100, table 5
_HLG_BRIGHTEST = 0.5  # light of the scene: above it even blue is shown as bright as it can be
_POWER = 2.4  # of light in 8 bits, between the steps: about as sRGB, so that little is lost
_GRID = 33
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def on_display(image: Image.Image, colour: CodedColour, missing: Shift = NOTHING) -> Image.Image:
    """Turn codes into light of a display, by a power; L, LA, RGB and RGBA become RGB or RGBA, `hdr_profile` is theirs.

    `missing` is what the decoder has lost of the codes of red, green and blue, on average.
    """
    if image.mode in ("L", "LA"):
        image = image.convert("RGB" if image.mode == "L" else "RGBA")
    opacity = [*range(256)] if image.mode == "RGBA" else []
    image = image.point([*chain(*(_powers(colour, each) for each in missing)), *opacity])
    # HLG is light of the scene: on a display, the brightness of each pixel counts for all its channels.
    return image.filter(_hlg_display(colour.primaries)) if colour.transfer == HLG else image


@cache
def hdr_profile(primaries: int) -> bytes:
    """A profile of what `on_display` gives."""
    light = [_BRIGHTEST * (step / 1023) ** _POWER for step in range(1024)]
    red_green_blue, white = primaries_of(CodedColour(primaries, PQ))
    return matrix_profile("HDR", red_green_blue, [_rolled_off(each) / _WHITE for each in light], white)


@cache
def _powers(colour: CodedColour, missing: float) -> list[int]:
    signals = [signal(max(0.0, min(1.0, (code + missing) / 255)), colour) for code in range(256)]
    if colour.transfer == HLG:
        light = [_hlg_light(each) / _HLG_BRIGHTEST for each in signals]
    else:
        light = [_pq_light(each) / _BRIGHTEST for each in signals]
    return [round(255 * min(1.0, each) ** (1 / _POWER)) for each in light]


@cache
def _hlg_display(primaries: int) -> ImageFilter.Color3DLUT:
    """The OOTF of BT.2100, table 5."""
    red, green, blue = luminances(*primaries_of(CodedColour(primaries, HLG)))
    codes = [step / (_GRID - 1) for step in range(_GRID)]
    light = [_HLG_BRIGHTEST * code**_POWER for code in codes]
    gain = (_HLG_PEAK * _HLG_BRIGHTEST / _BRIGHTEST) ** (1 / _POWER)
    cube = []
    for b, blue_code in enumerate(codes):
        for g, green_code in enumerate(codes):
            for r, red_code in enumerate(codes):
                scene = red * light[r] + green * light[g] + blue * light[b]
                factor = gain * scene ** ((_HLG_GAMMA - 1) / _POWER)
                cube.append((factor * red_code, factor * green_code, factor * blue_code))
    return ImageFilter.Color3DLUT(_GRID, cube)


def _rolled_off(light: float) -> float:
    """The EETF of BT.2390-10, 5.4.1, from `_BRIGHTEST` to `_WHITE`, in cd/m2."""
    brightest = _pq_value(_BRIGHTEST)
    value, most = _pq_value(min(light, _BRIGHTEST)) / brightest, _pq_value(_WHITE) / brightest
    knee = 1.5 * most - 0.5
    if value <= knee:
        return light
    t = (value - knee) / (1 - knee)
    value = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return min(_WHITE, _pq_light(value * brightest))


def _pq_light(value: float) -> float:
    """In cd/m2 (SMPTE ST 2084)."""
    root = value ** (1 / _M2)
    return float(10_000 * (max(0.0, root - _C1) / (_C2 - _C3 * root)) ** (1 / _M1))


def _pq_value(light: float) -> float:
    power = (light / 10_000) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_light(value: float) -> float:
    """Light of the scene, from 0 to 1 (BT.2100, table 5: the inverse of the OETF)."""
    return value**2 / 3 if value <= 0.5 else (math.exp((value - _C) / _A) + _B) / 12
