"""ICC profiles as bytes: the sRGB profile that renditions carry, and Adobe RGB for files that only name it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from PIL import ImageCms

Chromaticity = tuple[float, float]
Primaries = tuple[Chromaticity, Chromaticity, Chromaticity]
D65: Chromaticity = (0.3127, 0.3290)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50_XYZ = (0.9642, 1.0, 0.8249)  # the connection space's white (ICC.1:2022, 7.2.16)
_CREATED = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


@cache
def srgb_profile() -> bytes:
    """The sRGB profile, always the same bytes: the library would write the time of day into it."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + _CREATED + made[36:84] + bytes(16) + made[100:]


@cache
def adobe_rgb_profile() -> bytes:
    """Adobe RGB (1998): cameras that follow DCF name it in EXIF and embed no profile."""
    return matrix_profile("Adobe RGB compatible", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


def matrix_profile(
    name: str,
    primaries: Primaries,
    gamma: float | Sequence[float],
    white: Chromaticity = D65,
) -> bytes:
    """A minimal version 2 matrix profile (ICC.1:2001-04, 6.3.1.2) with one curve: a gamma, or samples of linear
    light from 0 to 1."""
    description = name.encode("ascii") + b"\0"
    desc = b"desc" + struct.pack(">II", 0, len(description)) + description + bytes(8 + 3 + 67)
    if isinstance(gamma, float):
        curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    else:
        samples = [round(65535 * light) for light in gamma]
        curve = b"curv" + struct.pack(f">II{len(samples)}H", 0, len(samples), *samples)
    tags = [(b"desc", desc), (b"cprt", b"text\0\0\0\0No copyright\0"), (b"wtpt", _xyz(_D50_XYZ))]
    columns = adapted_primaries(primaries, white)
    for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        tags.append((tag, _xyz(column)))
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]

    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += _CREATED + b"acsp" + bytes(28) + struct.pack(">3i", *map(_fixed, _D50_XYZ))
    return header.ljust(128, b"\0") + table + body


def _fixed(value: float) -> int:
    return round(value * 65536)  # s15Fixed16Number


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *map(_fixed, values))


def luminances(primaries: Primaries, white: Chromaticity) -> list[float]:
    """How much red, green and blue each add to the luminance of white, which is 1."""
    return solve([_to_xyz(primary) for primary in primaries], _to_xyz(white))


def adapted_primaries(primaries: Primaries, own_white: Chromaticity) -> list[tuple[float, ...]]:
    """The primaries as XYZ under D50: scaled to sum up to the white, then Bradford-adapted."""
    white = _to_xyz(own_white)
    columns: list[tuple[float, ...]] = [_to_xyz(primary) for primary in primaries]
    weights = luminances(primaries, own_white)
    scaled = [tuple(part * weight for part in column) for column, weight in zip(columns, weights, strict=True)]
    gains = [d50 / own for d50, own in zip(_cone(_D50_XYZ), _cone(white), strict=True)]
    # The matrix' columns, so that solving is applying its inverse.
    rows: list[tuple[float, ...]] = [
        tuple(_BRADFORD[row][i] for row in range(3)) for i in range(3)
    ]  # columns of Bradford
    adapted = []
    for column in scaled:
        cones = [cone * gain for cone, gain in zip(_cone(column), gains, strict=True)]
        adapted.append(tuple(solve(rows, tuple(cones))))
    return adapted


def _to_xyz(xy: Chromaticity) -> tuple[float, float, float]:
    return xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]


def _cone(xyz: tuple[float, ...]) -> list[float]:
    return [sum(factor * part for factor, part in zip(row, xyz, strict=True)) for row in _BRADFORD]


def solve(columns: list[tuple[float, ...]], target: tuple[float, ...]) -> list[float]:
    """Weights that make the three columns add up to `target`, by Cramer's rule."""
    whole = _determinant(columns)
    return [_determinant([*columns[:i], target, *columns[i + 1 :]]) / whole for i in range(3)]


def _determinant(m: list[tuple[float, ...]]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
