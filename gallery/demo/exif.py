"""The EXIF data that the demonstration's camera writes (Exif 2.32, CIPA DC-008)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

Base, Gps, Ifd = ExifTags.Base, ExifTags.GPS, ExifTags.IFD

FIRST_EXPOSURE = datetime(2026, 6, 20, 14, 0, tzinfo=timezone(timedelta(hours=2)))
SECONDS_BETWEEN = 7
ARTIST = "Ada Example"
SHUTTER_SPEEDS = (60, 125, 250, 500, 1000)
APERTURES = (IFDRational(28, 10), IFDRational(4), IFDRational(56, 10), IFDRational(8))
# Every so many photographs the camera had a position; a few steps further each time.
GPS_EVERY = 3
LATITUDE, LONGITUDE = 47.5596, 7.5886


def camera_exif(number: int, size: tuple[int, int], orientation: int, rng: random.Random) -> Image.Exif:
    """EXIF of photograph `number` (from 1) with stored `size` in pixels; exposures are 7 seconds apart."""
    taken = FIRST_EXPOSURE + timedelta(seconds=SECONDS_BETWEEN * (number - 1))
    stamp = taken.strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif.update(
        {
            Base.Make: "Kestrel",
            Base.Model: "Kestrel K1",
            Base.Orientation: orientation,
            Base.Software: "K1 firmware 1.4",
            Base.DateTime: stamp,
            Base.Artist: ARTIST,
            Base.Copyright: f"Copyright {taken.year} {ARTIST}",
        }
    )
    exif.get_ifd(Ifd.Exif).update(
        {
            Base.ExifVersion: b"0232",
            Base.ExposureTime: IFDRational(1, rng.choice(SHUTTER_SPEEDS)),
            Base.FNumber: rng.choice(APERTURES),
            Base.ISOSpeedRatings: rng.choice((100, 200, 400, 800)),
            Base.DateTimeOriginal: stamp,
            Base.DateTimeDigitized: stamp,
            Base.OffsetTime: "+02:00",
            Base.OffsetTimeOriginal: "+02:00",
            Base.SubsecTimeOriginal: f"{rng.randrange(100):02d}",
            Base.FocalLength: IFDRational(rng.randint(24, 70)),
            Base.ColorSpace: 1,  # sRGB
            Base.ExifImageWidth: size[0],
            Base.ExifImageHeight: size[1],
            Base.BodySerialNumber: "K1-000042",
            Base.LensMake: "Kestrel",
            Base.LensModel: "Kestrel 24-70mm F2.8",
        }
    )
    if number % GPS_EVERY == 0:
        exif.get_ifd(Ifd.GPSInfo).update(_position(number, taken))
    return exif


def _position(number: int, taken: datetime) -> dict[int, object]:
    utc = taken.astimezone(UTC)
    return {
        Gps.GPSVersionID: b"\x02\x03\x00\x00",
        Gps.GPSLatitudeRef: "N",
        Gps.GPSLatitude: _degrees(LATITUDE + number * 1e-5),
        Gps.GPSLongitudeRef: "E",
        Gps.GPSLongitude: _degrees(LONGITUDE + number * 1e-5),
        Gps.GPSTimeStamp: (IFDRational(utc.hour), IFDRational(utc.minute), IFDRational(utc.second)),
        Gps.GPSDateStamp: utc.strftime("%Y:%m:%d"),
    }


def _degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and seconds, to a hundredth of a second (30 cm)."""
    hundredths = round(value * 360_000)
    degrees, rest = divmod(hundredths, 360_000)
    minutes, seconds = divmod(rest, 6_000)
    return IFDRational(degrees), IFDRational(minutes), IFDRational(seconds, 100)
