"""Colour by number (ITU-T H.273): what the primaries and transfer characteristics of PNG, HEIC and AVIF stand for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache

from gallery.imaging.containers.survey import CodedColour
from gallery.imaging.profiles import D65, Chromaticity, Primaries, matrix_profile

_WHITE_C: Chromaticity = (0.310, 0.316)
_BT709: Primaries = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_BT601: Primaries = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_UNSPECIFIED = 2
PQ, HLG = 16, 18
HDR_NAMES = {PQ: "PQ", HLG: "HLG"}
SRGB = CodedColour(1, 13)
# Table 2.
_PRIMARIES: dict[int, tuple[Primaries, Chromaticity]] = {
    1: (_BT709, D65),
    _UNSPECIFIED: (_BT709, D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), _WHITE_C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (_BT601, D65),
    7: (_BT601, D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _WHITE_C),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),  # BT.2020
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),  # DCI-P3
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),  # Display P3
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
_Curve = Callable[[float], float]


def srgb_light(value: float) -> float:
    """Linear light, of 1, for an sRGB value of 1 (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _smpte240_light(value: float) -> float:
    return value / 4 if value < 4 * 0.0228 else ((value + 0.1115) / 1.1115) ** (1 / 0.45)


_SRGB_CURVE = [srgb_light(step / 1023) for step in range(1024)]
_NEAR = 0.001
_LEAST_GAMMA = 0.1  # beyond it and its inverse, no picture was made with it

# Table 3: from signal to light. BT.709's camera curve, and those like it (6, 11, 12, 14, 15), stand for pictures that
# are looked at on a display of about sRGB: Chromium shows them so, and programs that name them mean that.
_VIDEO = (1, 6, 11, 12, 14, 15)
_TRANSFERS: dict[int, _Curve] = {
    **dict.fromkeys((*_VIDEO, _UNSPECIFIED, 13), srgb_light),
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    7: _smpte240_light,
    8: lambda value: value,
    17: lambda value: min(1.0, value**2.6 * 52.37 / 48),
}


def primaries_of(colour: CodedColour) -> tuple[Primaries, Chromaticity]:
    """The chromaticities of red, green and blue, and of white. Raises `KeyError` for a number that is not known."""
    return _PRIMARIES[colour.primaries]


def signal(code: float, colour: CodedColour) -> float:
    """The signal from 0 to 1 that a decoded value from 0 to 1 stands for."""
    return code if colour.full_range else min(1.0, max(0.0, (255 * code - 16) / 219))


def is_hdr(colour: CodedColour) -> bool:
    """Whether it has a high dynamic range, PQ or HLG, which no profile brings to sRGB."""
    return colour.transfer in HDR_NAMES and colour.primaries in _PRIMARIES


def is_srgb(colour: CodedColour) -> bool:
    """Whether sRGB is named, or nothing in particular."""
    plain = colour.primaries in (1, _UNSPECIFIED) and colour.transfer in (13, _UNSPECIFIED, *_VIDEO)
    return plain and colour.full_range


@cache
def coded_profile(colour: CodedColour) -> bytes | None:
    """A profile of a standard dynamic range; `None` where a number is not known, or stands for another range."""
    curve = _TRANSFERS.get(colour.transfer)
    if curve is None or colour.primaries not in _PRIMARIES:
        return None
    light = [curve(signal(step / 1023, colour)) for step in range(1024)]
    primaries, white = primaries_of(colour)
    return matrix_profile(f"H.273 {colour.primaries}/{colour.transfer}", primaries, light, white)


def _is_near_srgb(chromaticity: tuple[float, ...] | None) -> bool:
    srgb = (*D65, *(part for primary in _BT709 for part in primary))
    return chromaticity is None or all(abs(a - b) < _NEAR for a, b in zip(chromaticity, srgb, strict=True))


@lru_cache(maxsize=8)
def chunk_profile(gamma: float | None, chromaticity: tuple[float, ...] | None) -> bytes | None:
    """A profile of PNG's gAMA, a power of light (third edition, 11.3.2.2), and cHRM: x and y of white, red, green,
    blue. Where one is missing or impossible, sRGB's stands in; `None` where both are, and for the values that the
    standard gives sRGB in them (11.3.2.5): libpng, too, takes these for sRGB."""
    if gamma and abs(gamma - 1 / 2.2) < _NEAR and _is_near_srgb(chromaticity):
        return None
    curve = 1 / gamma if gamma and _LEAST_GAMMA <= gamma <= 1 / _LEAST_GAMMA else None
    if chromaticity is not None:
        white, red, green, blue = zip(chromaticity[::2], chromaticity[1::2], strict=True)
        with suppress(ZeroDivisionError, struct.error):  # no triangle
            return matrix_profile("gAMA and cHRM", (red, green, blue), curve or _SRGB_CURVE, white)
    return matrix_profile("gAMA", _BT709, curve) if curve else None
