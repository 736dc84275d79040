"""Where a photograph was taken, and what is no place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imaging.metadata_blocks import (
    BYTE,
    Entry,
    exif_block,
    longs,
    metadata_of,
    rationals,
    save_jpeg,
    text,
)

LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE, ALTITUDE_REF, ALTITUDE, STATUS = 1, 2, 3, 4, 5, 6, 9
ZERO = ((0, 1), (0, 1), (0, 1))
UNKNOWN = 0xFFFFFFFF

Degrees = tuple[tuple[int, int], ...]


def at(
    latitude: Degrees = ((48, 1), (12, 1), (0, 1)),
    longitude: Degrees = ((11, 1), (30, 1), (0, 1)),
    north: bytes | None = b"N\0",
    east: bytes | None = b"E\0",
) -> list[Entry]:
    references = [(LATITUDE_REF, north), (LONGITUDE_REF, east)]
    letters = [text(tag, letter) for tag, letter in references if letter is not None]
    return [rationals(LATITUDE, *latitude), rationals(LONGITUDE, *longitude), *letters]


def place_in(path: Path, gps: list[Entry]) -> object:
    return metadata_of(save_jpeg(path / "in.jpg", exif=exif_block([text(271, b"X\0")], gps=gps))).get("gps")


PLACES: dict[str, tuple[list[Entry], tuple[float, float]]] = {
    "usual": (at(), (48.2, 11.5)),
    "south-west": (at(north=b"S\0", east=b"W\0"), (-48.2, -11.5)),
    "lower-case": (at(north=b"s\0", east=b"w\0"), (-48.2, -11.5)),
    "words": (at(north=b"South\0", east=b"West\0"), (-48.2, -11.5)),
    "not-ended": (at(north=b"S", east=b" W"), (-48.2, -11.5)),
    "as-bytes": ([*at(north=None), text(LATITUDE_REF, b"S\0", BYTE)], (-48.2, 11.5)),
    "decimal-minutes": (at(((48, 1), (1234, 100)), ((11, 1), (3012, 100))), (48.2056667, 11.502)),
    "decimal-degrees": (at(((3385690, 100000),), ((15121510, 100000),)), (33.8569, 151.2151)),
    "no-seconds": (at(((48, 1), (1234, 100), (0, 0)), ((11, 1), (3012, 100), (0, 0))), (48.2056667, 11.502)),
    "sixty-minutes": (at(((48, 1), (60, 1), (0, 1))), (49.0, 11.5)),
    "a-fix": ([*at(), text(STATUS, b"A\0")], (48.2, 11.5)),
    "on-the-equator": (at(ZERO, north=b"S\0"), (0.0, 11.5)),
    "at-greenwich": (at(longitude=ZERO, east=b"W\0"), (48.2, 0.0)),
    "the-pole": (at(((90, 1), (0, 1), (0, 1)), ((180, 1), (0, 1), (0, 1)), b"S\0"), (-90.0, 180.0)),
}


@pytest.mark.parametrize(("gps", "expected"), PLACES.values(), ids=PLACES)
def test_a_place_is_read_as_devices_write_it(tmp_path: Path, gps: list[Entry], expected: tuple[float, float]) -> None:
    place = place_in(tmp_path, gps)
    assert repr(place) == repr({"latitude": expected[0], "longitude": expected[1]})  # -0.0 equals 0.0


NO_PLACES: dict[str, list[Entry]] = {
    "no-fix": [*at(), text(STATUS, b"V\0")],
    "no-fix-lower-case": [*at(), text(STATUS, b"v\0")],
    "null-island": at(ZERO, ZERO),
    "null-island-south-west": at(ZERO, ZERO, b"S\0", b"W\0"),
    "no-references": at(north=None, east=None),
    "one-reference": at(east=None),
    "blank-references": at(north=b"\0\0", east=b" \0"),
    "wrong-references": at(north=b"E\0", east=b"N\0"),
    "unknown-references": at(north=b"X\0"),
    "only-a-latitude": at()[:1] + at()[2:],
    "no-degrees": at(((0, 0), (12, 1), (0, 1))),
    "unknown-degrees": at(((UNKNOWN, 1), (12, 1), (0, 1))),
    "too-far-north": at(((90, 1), (0, 1), (1, 1))),
    "too-far-east": at(longitude=((181, 1), (0, 1), (0, 1))),
    "four-values": at(((48, 1),) * 4),
    "whole-numbers-of-nothing": [longs(LATITUDE, UNKNOWN), longs(LONGITUDE, UNKNOWN), *at()[2:]],
}


@pytest.mark.parametrize("gps", NO_PLACES.values(), ids=NO_PLACES)
def test_what_is_no_place_is_left_out(tmp_path: Path, gps: list[Entry]) -> None:
    assert place_in(tmp_path, gps) is None


@pytest.mark.parametrize(
    ("reference", "altitude", "expected"),
    [
        (b"\0", (35, 10), 3.5),
        (b"\1", (35, 10), -3.5),
        (b"\2", (35, 10), 3.5),
        (b"\3", (35, 10), -3.5),
        (b"\1", (0, 1), 0.0),
        (b"\0", (UNKNOWN, 1), None),
        (b"\0", (1, 0), None),
    ],
    ids=["above", "below", "above-ellipsoid", "below-ellipsoid", "at-sea-level", "unknown", "infinite"],
)
def test_the_altitude_has_the_sign_of_its_reference(
    tmp_path: Path, reference: bytes, altitude: tuple[int, int], expected: float | None
) -> None:
    place = place_in(tmp_path, [*at(), text(ALTITUDE_REF, reference, BYTE), rationals(ALTITUDE, altitude)])
    assert isinstance(place, dict)
    assert repr(place.get("altitude_m")) == repr(expected)
