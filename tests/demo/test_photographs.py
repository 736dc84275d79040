from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageOps

from gallery.demo import photographs
from gallery.demo.photographs import MANIFEST, broken_position, make_gallery, photograph_name, rotated_position
from gallery.errors import GalleryError

IMAGES = 8
SMALL = 0.12  # megapixels: 400 × 300


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_gallery(tmp_path_factory.mktemp("demo") / "gallery", IMAGES, SMALL)


def exif_of(path: Path) -> tuple[Image.Exif, dict[int, object], dict[int, object]]:
    with Image.open(path) as image:
        exif = image.getexif()
        return exif, dict(exif.get_ifd(ExifTags.IFD.Exif)), dict(exif.get_ifd(ExifTags.IFD.GPSInfo))


def test_every_photograph_has_its_own_bytes_and_its_own_pixels(gallery: list[Path]) -> None:
    whole = [path for index, path in enumerate(gallery) if index != broken_position(IMAGES)]
    pixels = set()
    for path in whole:
        with Image.open(path) as image:
            pixels.add(hashlib.sha256(image.tobytes()).hexdigest())
    assert len(pixels) == len(whole) == IMAGES - 1
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in gallery}) == IMAGES


def test_names_are_those_of_a_camera(gallery: list[Path]) -> None:
    folder = gallery[0].parent.parent
    assert [path.relative_to(folder).as_posix() for path in gallery][:2] == [
        "card1/IMG_0001.JPG",
        "card1/IMG_0002.JPG",
    ]
    assert photograph_name(500) == "card2/IMG_0501.JPG"
    assert len({photograph_name(index) for index in range(25_000)}) == 25_000


@pytest.mark.parametrize(("megapixels", "frame"), [(12, (4000, 3000)), (24, (6000, 4000)), (SMALL, (400, 300))])
def test_megapixels_are_those_of_the_frame(megapixels: float, frame: tuple[int, int]) -> None:
    assert photographs._Order(1, megapixels, 1, True).frame == frame


def test_the_rotated_one_shows_its_sky_up_only_after_its_orientation_is_applied(gallery: list[Path]) -> None:
    position = rotated_position(IMAGES)
    assert position is not None
    for index, path in enumerate(gallery):
        assert exif_of(path)[0][ExifTags.Base.Orientation] == (6 if index == position else 1)
    with Image.open(gallery[position]) as image:
        assert image.size == (400, 300)
        upright = ImageOps.exif_transpose(image)
    assert upright.size == (300, 400)
    edges = [upright.resize((1, 10), Image.Resampling.BOX).getpixel((0, row)) for row in (0, 9)]
    sky, ground = (sum(edge) for edge in edges if isinstance(edge, tuple))
    assert sky > ground


def test_the_broken_one_begins_like_a_photograph_and_ends_too_early(gallery: list[Path]) -> None:
    position = broken_position(IMAGES)
    assert position is not None
    assert gallery[position].read_bytes()[-2:] != b"\xff\xd9"
    with Image.open(gallery[position]) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_photographs_carry_the_exif_of_a_camera(gallery: list[Path]) -> None:
    taken = []
    for path in gallery:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            base, exif, _ = exif_of(path)
        assert base[ExifTags.Base.Make] == "Kestrel"
        assert str(base[ExifTags.Base.Copyright]).endswith(str(base[ExifTags.Base.Artist]))
        assert exif[ExifTags.Base.OffsetTimeOriginal] == "+02:00"
        assert exif[ExifTags.Base.LensModel] == "Kestrel 24-70mm F2.8"
        assert 0 < float(str(exif[ExifTags.Base.ExposureTime])) < 1
        assert (exif[ExifTags.Base.ExifImageWidth], exif[ExifTags.Base.ExifImageHeight]) == (400, 300)
        taken.append(exif[ExifTags.Base.DateTimeOriginal])
    assert taken == sorted(set(map(str, taken)))
    assert [index for index, path in enumerate(gallery) if exif_of(path)[2]] == [2, 5]
    assert exif_of(gallery[2])[2][ExifTags.GPS.GPSLatitude] == (47.0, 33.0, 34.67)


def test_a_gallery_of_two_or_without_faults_has_no_broken_one(tmp_path: Path) -> None:
    for path in make_gallery(tmp_path / "two", 2, SMALL) + make_gallery(tmp_path / "good", 4, SMALL, faults=False):
        with Image.open(path) as image:
            image.load()
        assert exif_of(path)[0][ExifTags.Base.Orientation] == 1


def test_the_same_gallery_is_made_once(tmp_path: Path) -> None:
    made: list[tuple[int, int]] = []
    first = make_gallery(tmp_path / "g", 3, SMALL, progress=lambda *step: made.append(step))
    assert made == [(1, 3), (2, 3), (3, 3)]
    written = [path.stat().st_mtime_ns for path in first]
    assert make_gallery(tmp_path / "g", 3, SMALL, progress=lambda *step: made.append(step)) == first
    assert [path.stat().st_mtime_ns for path in first] == written
    assert len(made) == 3


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    one, same, other = (
        [path.read_bytes() for path in make_gallery(tmp_path / name, 3, SMALL, seed=seed)]
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one == same
    assert not set(one) & set(other)


def test_other_parameters_or_a_missing_photograph_make_it_anew(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    make_gallery(folder, 4, SMALL)
    paths = make_gallery(folder, 3, SMALL)
    assert sorted(folder.rglob("*.JPG")) == paths
    content = paths[0].read_bytes()
    paths[0].unlink()
    assert make_gallery(folder, 3, SMALL)[0].read_bytes() == content


def test_a_folder_with_somebody_elses_files_is_not_touched(tmp_path: Path) -> None:
    mine = tmp_path / "g" / "mine.jpg"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with pytest.raises(GalleryError, match="something else"):
        make_gallery(mine.parent, 3, SMALL)
    assert [path.name for path in mine.parent.iterdir()] == ["mine.jpg"]


def test_a_making_that_is_stopped_halfway_leaves_no_gallery(tmp_path: Path) -> None:
    folder = tmp_path / "g"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_gallery(folder, 6, SMALL, progress=stop)
    assert not folder.exists()
    assert all(path.is_file() for path in make_gallery(folder, 6, SMALL))
    assert json.loads((folder / MANIFEST).read_text())["order"]["images"] == 6
    assert [path.name for path in tmp_path.iterdir()] == ["g"], "what the first one left was used up"
