"""EXIF: what the catalogue wants to know of a photograph, and the little that its renditions may keep.

Best effort: a photograph with broken EXIF is still a photograph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

_BASE, _IFD, _GPS = ExifTags.Base, ExifTags.IFD, ExifTags.GPS
_LONGEST_TEXT = 500
_ADOBE_RGB_INTEROPERABILITY = "R03"  # DCF 2.0: optional file, Adobe RGB


def read_exif(image: Image.Image, found: bytes | None) -> Image.Exif:
    """The EXIF of an opened file, without decoding it; `found` is what the container's survey came upon.

    Not `image.getexif()`: that decodes a whole PNG to look behind its pixels, and takes XMP's word for the
    orientation, which browsers and other libraries do not.
    """
    if image.format == "TIFF":  # its own directory is the EXIF
        return _guarded(image.getexif) or Image.Exif()
    data = found or image.info.get("exif") or _legacy_exif(image)
    exif = Image.Exif()
    if data:
        _guarded(lambda: exif.load(data))
    return exif


def _legacy_exif(image: Image.Image) -> bytes | None:
    """Before PNG had its `eXIf` chunk, ImageMagick and ExifTool wrote EXIF as hexadecimal text."""
    text = image.info.get("Raw profile type exif") or image.info.get("Raw profile type APP1")
    return _guarded(lambda: bytes.fromhex("".join(text.split("\n")[3:]))) if text else None


def orientation_of(exif: Image.Exif) -> int:
    """The EXIF orientation 1-8; 1 where it is missing or nonsense."""
    value = _guarded(lambda: exif.get(_BASE.Orientation))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def names_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether the camera says Adobe RGB by EXIF alone, as DCF has it, without an ICC profile."""
    return _text(_guarded(lambda: exif.get_ifd(_IFD.Interop).get(1))) == _ADOBE_RGB_INTEROPERABILITY


def read_metadata(exif: Image.Exif) -> dict[str, Any]:
    """Camera, lens, exposure, capture time, place and rights, as JSON values; what is missing or broken is left out.

    `exposure_seconds` and `focal_length_mm` carry their units; `captured_at` is ISO 8601, with a zone only
    where the camera wrote one; `gps` has `latitude` and `longitude` in degrees (WGS 84, north and east positive)
    and `altitude_m`.
    """
    photo: dict[int, Any] = _guarded(lambda: dict(exif.get_ifd(_IFD.Exif))) or {}
    facts = {
        "camera_make": _text(_guarded(lambda: exif.get(_BASE.Make))),
        "camera_model": _text(_guarded(lambda: exif.get(_BASE.Model))),
        "lens": _text(photo.get(_BASE.LensModel)),
        "captured_at": _capture_time(photo),
        "exposure_seconds": _number(photo.get(_BASE.ExposureTime)),
        "f_number": _number(photo.get(_BASE.FNumber)),
        "iso": _whole_number(photo.get(_BASE.ISOSpeedRatings)),
        "focal_length_mm": _number(photo.get(_BASE.FocalLength)),
        "artist": _text(_guarded(lambda: exif.get(_BASE.Artist))),
        "copyright": _text(_guarded(lambda: exif.get(_BASE.Copyright))),
        "gps": _position(_guarded(lambda: dict(exif.get_ifd(_IFD.GPSInfo))) or {}),
    }
    return {name: value for name, value in facts.items() if value is not None}


def rendition_exif(metadata: dict[str, Any]) -> bytes:
    """EXIF with artist and copyright only, empty where there is neither: no GPS, no serial number, no
    orientation (it is in the pixels), no thumbnail of the original."""
    exif = Image.Exif()
    for tag, name in ((_BASE.Artist, "artist"), (_BASE.Copyright, "copyright")):
        if name in metadata:
            exif[tag] = metadata[name].encode()  # as bytes: Pillow would turn all but ASCII into "?"
    return exif.tobytes() if len(exif) else b""


def _guarded(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception:  # whatever hostile EXIF provokes in a parser, it is only EXIF
        return None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode()  # EXIF 3.0 allows UTF-8, Pillow reads Latin-1
    # No control characters: PostgreSQL refuses NUL, terminals obey the others.
    cleaned = "".join(sign for sign in value if sign.isprintable()).strip()
    return cleaned[:_LONGEST_TEXT] or None


def _number(value: object) -> float | None:
    number = _guarded(lambda: float(value))  # type: ignore[arg-type]
    return round(number, 6) if isinstance(number, float) and math.isfinite(number) else None


def _whole_number(value: object) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    number = _number(first)
    return None if number is None else int(number)


def _position(gps: dict[int, Any]) -> dict[str, float] | None:
    """The place (CIPA DC-008, 4.6.6), `None` where either coordinate is missing or impossible."""
    latitude = _degrees(gps.get(_GPS.GPSLatitude), gps.get(_GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(gps.get(_GPS.GPSLongitude), gps.get(_GPS.GPSLongitudeRef), "W", 180)
    if latitude is None or longitude is None:
        return None
    position = {"latitude": latitude, "longitude": longitude}
    if (altitude := _number(gps.get(_GPS.GPSAltitude))) is not None:
        below = gps.get(_GPS.GPSAltitudeRef) in (1, b"\x01")
        position["altitude_m"] = -altitude if below else altitude
    return position


def _degrees(parts: object, reference: object, negative: str, most: int) -> float | None:
    numbers = [_number(part) for part in parts] if isinstance(parts, tuple) and len(parts) == 3 else []
    if not numbers or None in numbers:
        return None
    degrees = sum(float(number or 0) / unit for number, unit in zip(numbers, (1, 60, 3600), strict=True))
    if not 0 <= degrees <= most:
        return None
    return round(-degrees if _text(reference) == negative else degrees, 7)


def _capture_time(photo: dict[int, Any]) -> str | None:
    text, zone = _text(photo.get(_BASE.DateTimeOriginal)), _text(photo.get(_BASE.OffsetTimeOriginal))
    if text is None:
        return None
    try:
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - most cameras know no zone
    except ValueError:
        return None
    known_zone = zone if zone and re.fullmatch(r"[+-]\d\d:\d\d", zone) else ""
    return taken.isoformat() + known_zone
