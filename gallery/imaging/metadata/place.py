"""Where a photograph was taken (CIPA DC-008, 4.6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL.ExifTags import GPS

from gallery.imaging.metadata.exif import text_of
from gallery.imaging.metadata.numbers import number

_NO_FIX = "V"  # GPSStatus: what follows is of an earlier fix, or of none
_BELOW = frozenset({1, 3})  # sea level, and since EXIF 3.0 the ellipsoid


def place_of(gps: Mapping[int, Any]) -> dict[str, float] | None:
    """Return `latitude` and `longitude` in degrees and `altitude_m`.

    `None` where there was no fix, where a coordinate or its hemisphere is missing or impossible, and for 0, 0: that is
    what devices write that do not know.
    """
    if _letter(gps.get(GPS.GPSStatus)) == _NO_FIX:
        return None
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    place = {"latitude": latitude, "longitude": longitude}
    if (altitude := number(gps.get(GPS.GPSAltitude))) is not None:
        place["altitude_m"] = -abs(altitude) + 0.0 if _is_below(gps.get(GPS.GPSAltitudeRef)) else altitude
    return place


def _degrees(value: object, reference: object, hemispheres: str, most: int) -> float | None:
    """Degrees, minutes and seconds, of which the later ones may be missing: the last that is there has decimals."""
    hemisphere = _letter(reference)
    numbers = [number(part) for part in (value if isinstance(value, tuple) else (value,))]
    if not hemisphere or hemisphere not in hemispheres or len(numbers) > 3 or not numbers or numbers[0] is None:
        return None
    degrees = sum((part or 0) / unit for part, unit in zip(numbers, (1, 60, 3600), strict=False))
    if not 0 <= degrees <= most:
        return None
    return round(-degrees if hemisphere == hemispheres[1] else degrees, 7) + 0.0  # no -0.0


def _letter(value: object) -> str:
    return (text_of(value) or "")[:1].upper()


def _is_below(reference: object) -> bool:
    return (reference[0] if isinstance(reference, bytes) and reference else reference) in _BELOW
