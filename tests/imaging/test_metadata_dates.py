"""When a photograph was taken: notations, zones, and which of several dates counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallery.imaging.metadata.dates import iso_date
from tests.imaging.metadata_blocks import (
    Entry,
    exif_block,
    iim,
    metadata_of,
    resource_segments,
    resources,
    save_jpeg,
    text,
    xmp,
)

ORIGINAL, DIGITIZED, CHANGED = 0x9003, 0x9004, 306
ORIGINAL_ZONE, DIGITIZED_ZONE, CHANGED_ZONE = 0x9011, 0x9012, 0x9010


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015:08:22 00:08:19", "2015-08-22T00:08:19"),
        ("2015:08:22 24:08:19", "2015-08-23T00:08:19"),
        ("2015:12:31 24:00:00", "2016-01-01T00:00:00"),
        ("2016:12:31 23:59:60", "2017-01-01T00:00:00"),
        ("2015-08-22 10:08:19", "2015-08-22T10:08:19"),
        ("2015/08/22 10:08:19", "2015-08-22T10:08:19"),
        ("2015.08.22 10.08.19", "2015-08-22T10:08:19"),
        ("2015:08:22T10:08:19", "2015-08-22T10:08:19"),
        ("2015:08:22  10:08:19", "2015-08-22T10:08:19"),
        ("2015:08:22:10:08:19", "2015-08-22T10:08:19"),
        ("2015: 8: 2 10: 8: 9", "2015-08-02T10:08:09"),
        ("2015:8:2 1:08:09", "2015-08-02T01:08:09"),
        ("20150822 100819", "2015-08-22T10:08:19"),
        ("20150822T100819+0200", "2015-08-22T10:08:19+02:00"),
        ("20150822100819", "2015-08-22T10:08:19"),
        ("2015-08-22T10:08:19+02:00", "2015-08-22T10:08:19+02:00"),
        ("2025:01:14 18:31:30+0000", "2025-01-14T18:31:30+00:00"),
        ("2024:02:21 10:14:22.27-05:30", "2024-02-21T10:14:22-05:30"),
        ("2024:02:21 10:14:22,270", "2024-02-21T10:14:22"),
        ("2024:02:21 10:14:22 +09", "2024-02-21T10:14:22+09:00"),
        ("2024:02:21 10:14-05:30", "2024-02-21T10:14:00-05:30"),
        ("2024:02:21 10:14:22Z", "2024-02-21T10:14:22+00:00"),
        ("2024:02:21 10:14:22 UTC", "2024-02-21T10:14:22+00:00"),
        ("2024:02:21 10:14:22 GMT+1", "2024-02-21T10:14:22+01:00"),
        ("2024:02:21 10:14:22+99:99", "2024-02-21T10:14:22"),
        ("2024:02:21 10:14:22+14:01", "2024-02-21T10:14:22"),
        ("2024:02:21 10:14:22 CEST", "2024-02-21T10:14:22"),
        ("2015:08:22 10:08:19 PM", "2015-08-22T22:08:19"),
        ("2015:08:22 12:08:19 am", "2015-08-22T00:08:19"),
        ("2015:08:22 22:08:19 PM", "2015-08-22T22:08:19"),
        ("2015:08:22 10:08", "2015-08-22T10:08:00"),
        ("2015:08:22", "2015-08-22"),
        ("2015:08:22   :  :  ", "2015-08-22"),
        ("20150822", "2015-08-22"),
        ("1970:01:01 00:00:00", "1970-01-01T00:00:00"),
        ("1890:06:01 12:00:00", "1890-06-01T12:00:00"),
    ],
)
def test_every_notation_of_an_instant_is_read(text: str, expected: str) -> None:
    assert iso_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "0001:01:01 00:00:00",
        "2015:13:01 00:00:00",
        "2015:02:30 00:00:00",
        "2015:08:22 25:00:00",
        "2015:08:22 10:60:00",
        "2015:08:22 10:08:61",
        "9999:12:31 24:00:00",
        "2015:08",
        "2015",
        "٢٠١٥:08:22 10:08:19",
        "yesterday",
        "",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert iso_date(text) is None


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+02:00", "+02:00"),
        ("-03:30", "-03:30"),
        ("+0545", "+05:45"),
        ("Z", "+00:00"),
        ("-00:00", "+00:00"),
        (" +02:00 ", "+02:00"),
        ("+14:00", "+14:00"),
        ("+99:99", ""),
        ("+02:60", ""),
        ("-12:00", "-12:00"),
        ("-12:01", ""),
        ("   :  ", ""),
        ("02:00", ""),
    ],
)
def test_an_impossible_offset_costs_only_itself(offset: str, expected: str) -> None:
    assert iso_date("2015:08:22 10:08:19", offset) == f"2015-08-22T10:08:19{expected}"


def test_the_zone_in_the_date_counts_before_the_offset() -> None:
    assert iso_date("2015:08:22 10:08:19Z", "+02:00") == "2015-08-22T10:08:19+00:00"
    assert iso_date("2015:08:22 10:08:19+99:00", "+02:00") == "2015-08-22T10:08:19+02:00"


def dated(tag: int, day: int, zone: int | None = None, offset: bytes = b"+01:00") -> list[Entry]:
    when = text(tag, f"2015:08:{day:02} 10:08:19".encode() + b"\0")
    return [when] if zone is None else [when, text(zone, offset + b"\0")]


def test_the_date_nearest_to_the_exposure_counts_with_its_own_zone(tmp_path: Path) -> None:
    original = dated(ORIGINAL, 1, ORIGINAL_ZONE, b"+01:00")
    digitized = dated(DIGITIZED, 2, DIGITIZED_ZONE, b"+02:00")
    changed = dated(CHANGED, 3, CHANGED_ZONE, b"+03:00")
    picture, zone = [changed[0]], changed[1]
    packet = xmp(
        "<xmp:CreateDate>2015-08-06T10:08:19</xmp:CreateDate>",
        'photoshop:DateCreated="2015-08-05T10:08:19Z" exif:DateTimeOriginal="2015-08-04T10:08:19+04:00"',
    )
    datasets = iim((2, 55, b"20150807"), (2, 60, b"100819+0700"))

    def found(picture: list[Entry], photo: list[Entry], packet: bytes | None = packet, iim: bytes = datasets) -> object:
        path = tmp_path / "in.jpg"
        block = exif_block([text(271, b"X\0"), *picture], photo)
        save_jpeg(path, *resource_segments(resources(iim)), exif=block, packet=packet)
        return metadata_of(path).get("captured_at")

    blank = [text(ORIGINAL, b"    :  :     :  :  \0")]
    assert found(picture, [*original, *digitized, zone]) == "2015-08-01T10:08:19+01:00"
    assert found(picture, [*blank, original[1], *digitized, zone]) == "2015-08-02T10:08:19+02:00"
    assert found(picture, [original[1], digitized[1], zone]) == "2015-08-03T10:08:19+03:00"
    assert found(picture, [original[1], digitized[1]]) == "2015-08-03T10:08:19"
    assert found([], blank) == "2015-08-04T10:08:19+04:00"
    assert found([], [], xmp("", 'photoshop:DateCreated="2015-08-05T10:08:19Z"')) == "2015-08-05T10:08:19+00:00"
    assert found([], [], xmp("", 'photoshop:DateCreated="2015" xmp:CreateDate="2015-08-06"')) == "2015-08-06"
    assert found([], [], None) == "2015-08-07T10:08:19+07:00"
    assert found([], [], None, iim((2, 55, b"20150807"))) == "2015-08-07"
    assert found([], [], None, iim((2, 60, b"100819+0700"))) is None
