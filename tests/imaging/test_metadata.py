"""What the catalogue learns of a photograph, and the little that its renditions keep."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from gallery.imaging.recipe import Recipe, Style
from tests.imaging.pictures import DATA, plain_recipe, quarters, rendered


def test_renditions_keep_artist_and_copyright_and_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Zoë Müller".encode()
    exif[ExifTags.Base.Copyright] = "© Zoë".encode()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Maker\0", "Model 5"
    photo = exif.get_ifd(ExifTags.IFD.Exif)
    photo[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    photo[ExifTags.Base.OffsetTimeOriginal] = "+02:00"
    photo[ExifTags.Base.ExposureTime] = 0.005
    photo[ExifTags.Base.ISOSpeedRatings] = 400
    photo[ExifTags.Base.BodySerialNumber] = "SERIAL-4711"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (47.0, 22.0, 1.0)
    quarters(64, 64).save(tmp_path / "in.jpg", exif=exif, comment=b"secret comment")

    result = rendered(tmp_path / "in.jpg", tmp_path)

    assert {name: value for name, value in result.metadata.items() if name != "placeholder"} == {
        "camera_make": "Maker",
        "camera_model": "Model 5",
        "captured_at": "2024-05-06T07:08:09+02:00",
        "exposure_seconds": 0.005,
        "iso": 400,
        "artist": "Zoë Müller",
        "copyright": "© Zoë",
    }
    data = result.renditions[0].path.read_bytes()
    assert b"SERIAL" not in data
    assert b"secret" not in data
    with Image.open(result.renditions[0].path) as image:
        kept = image.getexif()
        assert set(kept) == {ExifTags.Base.Artist, ExifTags.Base.Copyright}
        assert kept[ExifTags.Base.Artist].encode("latin-1").decode() == "Zoë Müller"


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40]
)
def test_broken_exif_costs_only_the_metadata(tmp_path: Path, exif: bytes) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg", exif=exif)
    assert rendered(tmp_path / "in.jpg", tmp_path).width == 64


def _located(**changed: object) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"  # Pillow writes no EXIF that has no tag of its own
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "S", (33.0, 51.0, 24.84)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "E", (151.0, 12.0, 54.36)
    gps[ExifTags.GPS.GPSAltitudeRef], gps[ExifTags.GPS.GPSAltitude] = b"\x01", 3.5
    for name, value in changed.items():
        gps[ExifTags.GPS[name]] = value
    return exif


@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.webp", "in.tif", "in.avif"])
def test_the_place_is_read_from_every_format_and_kept_out_of_renditions(tmp_path: Path, name: str) -> None:
    exif = _located()
    if name == "in.tif":  # Pillow writes a TIFF's inner directories from values only
        exif[ExifTags.IFD.GPSInfo] = exif.get_ifd(ExifTags.IFD.GPSInfo)
    quarters(64, 64).save(tmp_path / name, exif=exif)
    styles = tuple(Style(one, 64, 64, format=one) for one in ("jpeg", "webp", "png", "avif"))
    result = rendered(tmp_path / name, tmp_path / "..", Recipe(styles))
    assert result.metadata["gps"] == {"latitude": -33.8569, "longitude": 151.2151, "altitude_m": -3.5}
    for rendition in result.renditions:
        with Image.open(rendition.path) as image:
            assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo), rendition.style


@pytest.mark.parametrize(
    "changed",
    [
        {"GPSLatitude": (91.0, 0.0, 0.0)},
        {"GPSLongitude": (IFDRational(0, 0), 0.0, 0.0)},
    ],
)
def test_a_place_that_cannot_be_is_left_out(tmp_path: Path, changed: dict[str, object]) -> None:
    quarters(64, 64).save(tmp_path / "in.jpg", exif=_located(**changed))
    assert "gps" not in rendered(tmp_path / "in.jpg", tmp_path).metadata


def test_metadata_is_plain_json(tmp_path: Path) -> None:
    for path in sorted(DATA.glob("*.heic")):
        metadata = rendered(path, tmp_path).metadata
        assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


def test_the_placeholder_has_the_most_frequent_colour_and_a_short_hash(tmp_path: Path) -> None:
    picture = Image.new("RGB", (300, 200), (20, 60, 200))
    picture.paste((250, 250, 0), (0, 0, 60, 60))
    picture.save(tmp_path / "in.png")
    result = rendered(tmp_path / "in.png", tmp_path, plain_recipe(256, 64))
    placeholder = result.metadata["placeholder"]
    assert placeholder["colour"] == "#143cc8"
    assert len(base64.b64decode(placeholder["thumbhash"])) <= 26


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (50, 50), (1, 1), (300, 2)])
@pytest.mark.parametrize("clear", [False, True])
def test_the_hash_shows_what_was_where(tmp_path: Path, size: tuple[int, int], clear: bool) -> None:
    picture = Image.new("RGBA", size, (200, 40, 40, 255))
    picture.paste((30, 60, 180, 0 if clear else 255), (size[0] // 2, 0, *size))
    picture.save(tmp_path / "in.png")
    placeholder = rendered(tmp_path / "in.png", tmp_path).metadata["placeholder"]
    left, right = _decoded(base64.b64decode(placeholder["thumbhash"]))
    if size[0] > 1:
        assert left[0] > left[2] + 0.3
        if not clear:
            assert right[2] > right[0] + 0.1
    assert (right[3] < 0.6) is clear


def _decoded(hashed: bytes) -> tuple[list[float], list[float]]:
    """RGBA at the middle of the left and of the right edge, as ThumbHash's reference decoder has it."""
    header, flags = int.from_bytes(hashed[:3], "little"), int.from_bytes(hashed[3:5], "little")
    clear, landscape = header >> 23 & 1, flags >> 15 & 1
    limit = 5 if clear else 7
    across = max(3, limit if landscape else flags & 7)
    down = max(3, flags & 7 if landscape else limit)
    nibbles = [hashed[at >> 1] >> 4 * (at & 1) & 15 for at in range(2 * (6 if clear else 5), 2 * len(hashed))]
    means = [(header & 63) / 63, (header >> 6 & 63) / 31.5 - 1, (header >> 12 & 63) / 31.5 - 1]
    scales = [(header >> 18 & 31) / 31, (flags >> 3 & 63) / 63 * 1.25, (flags >> 9 & 63) / 63 * 1.25]
    sizes = [(across, down), (3, 3), (3, 3)]
    if clear:
        means.append((hashed[5] & 15) / 15)
        scales.append((hashed[5] >> 4) / 15)
        sizes.append((5, 5))
    waves = []
    for (nx, ny), scale in zip(sizes, scales, strict=True):
        found = {}
        for cy in range(ny):
            for cx in range(nx):
                if (cx or cy) and cx * ny < nx * (ny - cy):
                    found[cx, cy] = (nibbles.pop(0) / 7.5 - 1) * scale
        waves.append(found)

    def at(x: float, y: float) -> list[float]:
        values = [
            mean + sum(v * math.cos(math.pi * x * cx) * math.cos(math.pi * y * cy) * 2 for (cx, cy), v in w.items())
            for mean, w in zip(means, waves, strict=True)
        ]
        luma, p, q = values[:3]
        blue = luma - 2 / 3 * p
        red = (3 * luma - blue + q) / 2
        return [red, red - q, blue, values[3] if clear else 1.0]

    return at(0.1, 0.5), at(0.9, 0.5)
