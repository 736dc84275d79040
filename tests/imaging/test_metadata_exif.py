"""EXIF's texts and numbers: where they end, how they are spelt, and what stands for "unknown"."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

from tests.imaging.metadata_blocks import (
    UNDEFINED,
    UTF8,
    Entry,
    exif_block,
    longs,
    metadata_of,
    rationals,
    rights_in,
    save_jpeg,
    shorts,
    text,
)
from tests.imaging.pictures import quarters, rendered

MAKE, MODEL, ARTIST, COPYRIGHT, LENS, WHEN = 271, 272, 315, 33432, 0xA434, 0x9003
EXPOSURE, F_NUMBER, ISO, FOCAL_LENGTH = 33434, 33437, 34855, 37386
SENSITIVITY_TYPE, STANDARD_OUTPUT, RECOMMENDED, ISO_SPEED = 34864, 34865, 34866, 34867
UNKNOWN = 0xFFFFFFFF


def read(path: Path, *picture: Entry, photo: tuple[Entry, ...] = ()) -> dict[str, object]:
    return metadata_of(save_jpeg(path / "in.jpg", exif=exif_block(picture, photo)))


def test_a_text_ends_at_its_first_nul(tmp_path: Path) -> None:
    picture = (
        text(MAKE, b"GoPro\0\x12\x7fQx1\0"),
        text(MODEL, b"HD2\0\0\0\0abc\0"),
        text(ARTIST, b"Ann Lee\0old owner\0"),
    )
    photo = (text(LENS, b"50mm F1.4\0DG HSM\0"), text(WHEN, b"2015:08:22 10:08:19\0\0"))
    assert read(tmp_path, *picture, photo=photo) == {
        "camera_make": "GoPro",
        "camera_model": "HD2",
        "artist": "Ann Lee",
        "lens": "50mm F1.4",
        "captured_at": "2015-08-22T10:08:19",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Ann Lee\0Acme Agency\0", "Ann Lee, Acme Agency"),
        (b"Ann Lee\0Acme Agency\0leftover", "Ann Lee, Acme Agency"),
        (b" \0Acme Agency\0", "Acme Agency"),
        (b"\0Acme Agency\0", "Acme Agency"),
        (b"Ann Lee\0", "Ann Lee"),
        (b"Ann Lee", "Ann Lee"),
        (b"Ann Lee\0 \0", "Ann Lee"),
        (b"Ann Lee\0Ann Lee\0", "Ann Lee"),
        (" Zoë\0李 Agency\0".encode(), "Zoë, 李 Agency"),
        (b"Zo\xeb\0M\xfcller\0", "Zoë, Müller"),
        (b" \0 \0", None),
        (b"\0\0\0\0\0\0", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_copyright_is_the_photographers_then_the_editors(tmp_path: Path, value: bytes, expected: str | None) -> None:
    save_jpeg(tmp_path / "in.jpg", exif=exif_block([text(MAKE, b"X\0"), text(COPYRIGHT, value)]))
    result = rendered(tmp_path / "in.jpg", tmp_path)
    assert result.metadata.get("copyright") == expected
    assert rights_in(result.renditions[0].path) == (None, expected)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (text(ARTIST, "Zoë 李\0".encode()), "Zoë 李"),
        (text(ARTIST, b"Zo\xeb\0"), "Zoë"),
        (text(ARTIST, b"Jos\xe9"), "José"),
        (text(ARTIST, "Zoë 李\0".encode(), UTF8), "Zoë 李"),
        (text(ARTIST, b"Ann\0", UNDEFINED), "Ann"),
        (text(ARTIST, b"\xef\xbb\xbfAnn\0"), "Ann"),
        (text(ARTIST, "\ufeffAnn 李\0".encode("utf-16-le")), "Ann 李"),
        (text(ARTIST, b"Ann; Bob; Cy\0"), "Ann; Bob; Cy"),
        (text(ARTIST, b"Ann\r\n\tLee\0"), "Ann Lee"),
        (text(ARTIST, "山田　太郎\0".encode()), "山田 太郎"),
        (text(ARTIST, b"A\x1b[31mnn\x07 \x9b2J\0"), "A[31mnn 2J"),
        (text(ARTIST, "Ann\u202eeeL\0".encode()), "AnneeL"),
        (text(ARTIST, "می\u200cخواهم\0".encode()), "می\u200cخواهم"),
        (text(ARTIST, b"\xed\xa0\x80Ann\0"), "í Ann"),
        (shorts(ARTIST, 65, 66), None),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_text_is_kept_as_it_was_meant_and_safe_to_show(tmp_path: Path, entry: Entry, expected: str | None) -> None:
    assert read(tmp_path, text(MAKE, b"X\0"), entry).get("artist") == expected


@pytest.mark.parametrize("sign", ["a", "é", "李"])
def test_a_text_without_an_end_is_cut(tmp_path: Path, sign: str) -> None:
    metadata = read(tmp_path, text(ARTIST, sign.encode() * 10_000), text(COPYRIGHT, b"a" * 600 + b"\0" + b"b" * 600))
    assert metadata == {"artist": sign * 500, "copyright": "a" * 500}


def test_the_windows_author_counts_where_no_other_is_named(tmp_path: Path) -> None:
    xp_author = text(0x9C9D, "Zoë 李\0rest".encode("utf-16-le"), 1)
    assert read(tmp_path, xp_author) == {"artist": "Zoë 李"}
    assert read(tmp_path, xp_author, text(ARTIST, b"Ann\0")) == {"artist": "Ann"}
    assert read(tmp_path, text(MAKE, b"X\0"), text(0x9C9D, b"\x00\xd8A\0", 1)) == {"camera_make": "X", "artist": "A"}


@pytest.mark.parametrize(
    "photo",
    [
        (rationals(EXPOSURE, (0, 1)), rationals(F_NUMBER, (0, 1)), shorts(ISO, 0), rationals(FOCAL_LENGTH, (0, 1))),
        (rationals(EXPOSURE, (0, 0)), rationals(F_NUMBER, (28, 0)), shorts(ISO, 0, 0), rationals(FOCAL_LENGTH, (0, 9))),
        (
            rationals(EXPOSURE, (UNKNOWN, 1)),
            rationals(F_NUMBER, (UNKNOWN, UNKNOWN)),
            longs(ISO, UNKNOWN),
            rationals(FOCAL_LENGTH, (UNKNOWN, 1000)),
        ),
        (rationals(F_NUMBER, (65535, 1)), shorts(FOCAL_LENGTH, 65535), rationals(EXPOSURE, (0x7FFFFFFF, 1))),
        (text(EXPOSURE, b"1/60\0"), text(F_NUMBER, b"abc\0"), text(ISO, b"\xff\0", UNDEFINED)),
    ],
    ids=["zeros", "no-denominator", "all-bits", "of-16-bits", "no-numbers"],
)
def test_what_stands_for_unknown_is_no_number(tmp_path: Path, photo: tuple[Entry, ...]) -> None:
    assert read(tmp_path, text(MAKE, b"X\0"), photo=photo) == {"camera_make": "X"}


def test_numbers_are_kept_as_they_are(tmp_path: Path) -> None:
    photo = (rationals(EXPOSURE, (1, 8000)), rationals(F_NUMBER, (28, 10)), rationals(FOCAL_LENGTH, (50, 1)))
    assert read(tmp_path, photo=(*photo, shorts(ISO, 400, 0))) == {
        "exposure_seconds": 0.000125,
        "f_number": 2.8,
        "focal_length_mm": 50.0,
        "iso": 400,
    }


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((shorts(ISO, 65535), shorts(SENSITIVITY_TYPE, 2), longs(RECOMMENDED, 102_400)), 102_400),
        (
            (shorts(ISO, 65535), shorts(SENSITIVITY_TYPE, 1), longs(STANDARD_OUTPUT, 80_000), longs(RECOMMENDED, 9)),
            80_000,
        ),
        ((shorts(ISO, 65535), shorts(SENSITIVITY_TYPE, 3), longs(ISO_SPEED, 409_600), longs(RECOMMENDED, 9)), 409_600),
        (
            (shorts(ISO, 65535), shorts(SENSITIVITY_TYPE, 6), longs(RECOMMENDED, 204_800), longs(STANDARD_OUTPUT, 9)),
            204_800,
        ),
        ((shorts(ISO, 65535), longs(RECOMMENDED, 102_400)), 102_400),
        ((shorts(SENSITIVITY_TYPE, 2), longs(RECOMMENDED, 3200)), 3200),
        ((shorts(ISO, 65535), shorts(SENSITIVITY_TYPE, 2), longs(RECOMMENDED, UNKNOWN)), 65_535),
        ((shorts(ISO, 65535),), 65_535),
        ((shorts(ISO, 200), shorts(SENSITIVITY_TYPE, 2), longs(RECOMMENDED, 100)), 200),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)}-tags",
)
def test_iso_beyond_16_bits_is_in_a_tag_of_its_own(tmp_path: Path, photo: tuple[Entry, ...], expected: int) -> None:
    assert read(tmp_path, text(MAKE, b"X\0"), photo=photo)["iso"] == expected


def test_the_photographs_tags_also_count_in_the_pictures_directory(tmp_path: Path) -> None:
    assert read(tmp_path, rationals(EXPOSURE, (1, 50)), text(WHEN, b"2015:08:22 10:08:19\0")) == {
        "exposure_seconds": 0.02,
        "captured_at": "2015-08-22T10:08:19",
    }


def test_a_tiffs_exif_outlives_its_decoding(tmp_path: Path) -> None:
    """Decoders close a TIFF before its inner directories are asked for, and pictures of several pages keep it open."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[EXPOSURE] = 0.02
    exif[0x8769] = exif.get_ifd(0x8769)  # Pillow writes a TIFF's inner directories from values only
    for name, more in (("one.tif", []), ("two.tif", [quarters(300, 200)])):
        quarters(300, 200).save(tmp_path / name, exif=exif, save_all=True, append_images=more)
        assert metadata_of(tmp_path / name)["exposure_seconds"] == 0.02


@pytest.mark.parametrize("pointer", [8, 0, 10_000, UNKNOWN])
def test_directories_that_go_in_circles_or_nowhere_cost_only_themselves(tmp_path: Path, pointer: int) -> None:
    block = exif_block(
        [text(MAKE, b"Kestrel\0"), longs(0x8769, pointer), longs(0x8825, pointer), longs(0xA005, pointer)]
    )
    assert metadata_of(save_jpeg(tmp_path / "in.jpg", exif=block))["camera_make"] == "Kestrel"


def test_a_directory_that_claims_more_than_there_is_costs_only_itself(tmp_path: Path) -> None:
    block = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 60_000) + struct.pack(">HHII", MAKE, UTF8, 4, 0x41424300)
    assert metadata_of(save_jpeg(tmp_path / "in.jpg", exif=block)) in ({}, {"camera_make": "ABC"})
