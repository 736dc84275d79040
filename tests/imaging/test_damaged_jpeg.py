"""JPEGs with a hole inside are saved, with a note; oddities that every viewer takes get none."""

from __future__ import annotations

import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from gallery.imaging import jpeg
from gallery.imaging.recipe import Limits
from gallery.imaging.source import open_source
from gallery.notes import ImageNote, Note, notes_in
from tests.imaging.conftest import PHOTOS
from tests.imaging.pictures import plain_recipe, reason_of, rendered

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_rows": 4}),
    "full chroma": ("RGB", {"subsampling": "4:4:4"}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}
Change = Callable[[bytes, int, int], bytes]


def noise(count: int) -> bytes:
    rng = random.Random(7)
    return bytes(rng.choice(range(255)) for _ in range(count))


HOLES: dict[str, Change] = {
    "zeros": lambda data, at, size: data[:at] + bytes(size) + data[at + size :],
    "erased": lambda data, at, size: data[:at] + b"\xff" * size + data[at + size :],
    "noise": lambda data, at, size: data[:at] + noise(size) + data[at + size :],
    "lost": lambda data, at, size: data[:at] + data[at + size :],
    "the file's beginning": lambda data, at, size: data[:at] + data[:size] + data[at + size :],
}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    with Image.open(PHOTOS / "seeding.jpg") as photo:
        return photo.convert("RGB").resize((1200, 800))


def coded(picture: Image.Image, kind: str = "baseline") -> bytes:
    mode, options = KINDS[kind]
    file = BytesIO()
    picture.convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def notes_of(data: bytes, folder: Path) -> list[Note]:
    (folder / "in.jpg").write_bytes(data)
    metadata = rendered(folder / "in.jpg", folder, plain_recipe(1200)).metadata
    return [note for note in notes_in(metadata) if note != "colours_approximate"]


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [3, 2])
def test_a_hole_is_noted_and_the_rest_is_saved(
    picture: Image.Image, tmp_path: Path, kind: str, hole: str, part: int
) -> None:
    data = coded(picture, kind)
    assert notes_of(data, tmp_path) == []
    assert notes_of(HOLES[hole](data, len(data) // part & ~511, 4096), tmp_path) == ["damaged"]


def test_a_copy_that_was_interrupted_keeps_what_had_come(picture: Image.Image, tmp_path: Path) -> None:
    data = coded(picture)
    half = len(data) // 2
    assert notes_of(data[:half] + bytes(len(data) - half - 2048) + data[-2048:], tmp_path) == ["damaged"]
    with Image.open(tmp_path / "s1200.jpg") as image:
        top = (0, 0, 1200, 200)
        difference = ImageStat.Stat(ImageChops.difference(image.crop(top), picture.crop(top))).mean
    assert max(difference) < 5


def test_a_progressive_file_that_libjpeg_gives_up_at_shows_its_earlier_scans(
    picture: Image.Image, tmp_path: Path
) -> None:
    data = coded(picture, "progressive")
    tables = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xc4"]
    # A table of codes that cannot be, before the last scan.
    broken = data[: tables[-1] + 5] + b"\xff" * 16 + data[tables[-1] + 21 :]
    assert notes_of(broken, tmp_path) == ["damaged"]
    with Image.open(tmp_path / "s1200.jpg") as image:
        assert max(ImageStat.Stat(ImageChops.difference(image, picture)).mean) < 12


def test_a_progressive_file_with_an_erased_block_shows_the_scans_before_it(
    picture: Image.Image, tmp_path: Path
) -> None:
    data = coded(picture, "progressive")
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    erased = HOLES["erased"](data, scans[3] + 2000, 4096)
    assert notes_of(erased, tmp_path) == ["damaged"]
    with Image.open(tmp_path / "s1200.jpg") as image:
        assert max(ImageStat.Stat(ImageChops.difference(image, picture)).mean) < 12


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_decoded_shows_nothing_of_other_pictures(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    data = coded(picture, kind)
    third = len(data) // 3
    # The decoder warns of the first, and gives up at the second; it tells of the warning alone.
    broken = HOLES["erased"](HOLES["zeros"](data, third, 512), 2 * third, 4096)
    path = tmp_path / "in.jpg"
    path.write_bytes(broken)
    monkeypatch.setattr(jpeg, "_salvaged", lambda _: iter(()))
    seen: set[tuple[bytes, tuple[ImageNote, ...]] | None] = set()
    for colour in ("red", "white", "black"):
        (tmp_path / "other.jpg").write_bytes(coded(Image.new("RGB", picture.size, colour), kind))
        rendered(tmp_path / "other.jpg", tmp_path)
        with open_source(path, Limits()) as opened:
            try:
                decoded, notes = jpeg.decode_jpeg(opened.image, path)
                seen.add((decoded.tobytes(), notes))
            except OSError:
                seen.add(None)
    (same,) = seen
    if kind in ("baseline", "grey"):
        assert same is not None
        pixels, notes = same
        assert notes == (jpeg.DAMAGED,)
        assert set(pixels[-1200:]) == {128}, "the rest is grey"


def before_each_restart(data: bytes) -> bytes:
    start = data.index(b"\xff\xda")
    for number in range(8):
        marker = bytes((0xFF, 0xD0 + number))
        data = data[:start] + data[start:].replace(marker, b"\x12\x34\x56" + marker)
    return data


def instead(former: str, new: str) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(bytes.fromhex(former), bytes.fromhex(new), 1)


HARMLESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "bytes before each restart": ("restarts", before_each_restart),
    "fill bytes before the end": ("baseline", lambda data: data[:-2] + b"\xff\xff\xff\xd9"),
    "a few bytes before the end": ("baseline", lambda data: data[:-2] + b"\x01\x02\x03\xff\xd9"),
    "zeros up to the end": ("baseline", lambda data: data[:-2] + bytes(3000) + b"\xff\xd9"),
    "anything behind the end": ("baseline", lambda data: data + noise(3000)),
    "a later JFIF": ("baseline", instead("4a46494600 01", "4a46494600 09")),
    "other numbers in a sequential scan": ("baseline", instead("11 03 11 00 3f 00", "11 03 11 00 00 00")),
    "an unknown colour transform": ("CMYK", instead("41646f6265 0064 00000000 00", "41646f6265 0064 00000000 07")),
}


@pytest.mark.parametrize("oddity", HARMLESS)
def test_what_every_viewer_takes_gets_no_note(picture: Image.Image, tmp_path: Path, oddity: str) -> None:
    kind, change = HARMLESS[oddity]
    data = coded(picture, kind)
    assert change(data) != data
    assert notes_of(change(data), tmp_path) == []


def test_zeros_up_to_the_end_that_stand_for_a_part_of_the_picture_are_damage(
    picture: Image.Image, tmp_path: Path
) -> None:
    data = coded(picture)
    assert notes_of(data[:-8192] + bytes(8190) + b"\xff\xd9", tmp_path) == ["damaged"]


def test_damage_of_a_second_picture_in_the_file_is_none_of_the_first(picture: Image.Image, tmp_path: Path) -> None:
    file = BytesIO()
    picture.save(file, "MPO", save_all=True, append_images=[picture.rotate(180)], quality=90)
    data = file.getvalue()
    at = len(data) * 3 // 4
    assert notes_of(data[:at] + bytes(4096) + data[at + 4096 :], tmp_path) == []


def test_a_preview_in_the_headers_is_not_taken_for_the_picture(picture: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    preview = BytesIO()
    picture.resize((160, 107)).save(preview, "JPEG")
    exif[0x927C] = preview.getvalue() + bytes(2000)
    file = BytesIO()
    picture.save(file, "JPEG", quality=90, exif=exif)
    data = file.getvalue()
    assert notes_of(data[:-2] + b"\x01\x02\x03\xff\xd9", tmp_path) == [], "zeros in a header are no hole"
    at = len(data) // 2
    assert notes_of(HOLES["erased"](data, at, 4096), tmp_path) == ["damaged"]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 4), (17, 1), (640, 427), (4099, 37)])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_pillow(picture: Image.Image, tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    path = tmp_path / "in.jpg"
    path.write_bytes(coded(picture.resize(size), kind))
    for least in (size, (max(1, size[0] // 2), max(1, size[1] // 2)), (1, 1)):
        with open_source(path, Limits()) as opened, Image.open(path) as expected:
            opened.image.draft(None, least)
            expected.draft(None, least)
            decoded, notes = jpeg.decode_jpeg(opened.image, path)
            assert (decoded.mode, decoded.size, notes) == (expected.mode, expected.size, ())
            assert decoded.tobytes() == expected.tobytes()


def test_without_simplejpeg_all_works_but_for_the_note(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.jpg"
    path.write_bytes(coded(picture))
    made = [rendered(path, tmp_path).renditions[0].path.read_bytes()]
    monkeypatch.setattr(jpeg, "decoder", lambda: None)
    made.append(rendered(path, tmp_path).renditions[0].path.read_bytes())
    assert made[0] == made[1]
    assert notes_of(HOLES["zeros"](path.read_bytes(), 40960, 4096), tmp_path) == []


def test_what_nothing_can_be_read_of_is_still_rejected(picture: Image.Image, tmp_path: Path) -> None:
    data = coded(picture)
    tables = data.index(b"\xff\xc4")
    (tmp_path / "in.jpg").write_bytes(data[: tables + 5] + b"\xff" * 16 + data[tables + 21 :])
    assert reason_of(tmp_path / "in.jpg")[0] == "decoder_failed"
