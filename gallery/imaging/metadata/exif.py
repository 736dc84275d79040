"""EXIF (CIPA DC-008), wherever a file keeps it, and its tags one by one.

Best effort: a photograph with broken EXIF is still a photograph.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import ExifTags, Image

from gallery.imaging.metadata.numbers import UNKNOWN_OR_MORE, number
from gallery.imaging.metadata.text import decode

BASE, IFD = ExifTags.Base, ExifTags.IFD
# Finds a tag's value in the directory of the photograph, else in the picture's, as TIFF/EP has it; `None` without it.
Lookup = Callable[[int], Any]

_ADOBE_RGB_INTEROPERABILITY = "R03"  # DCF 2.0: optional file, Adobe RGB
_XP_AUTHOR = 0x9C9D
_HEADER, _MAX_ENTRIES = b"Exif\0\0", 1000
_ASCII, _UTF8 = 2, 129  # types of values
_SENSITIVITIES = (BASE.StandardOutputSensitivity, BASE.RecommendedExposureIndex, BASE.ISOSpeed)
# Which of them ISOSpeedRatings repeats, by SensitivityType (CIPA DC-008, table 11).
_REPEATED = {
    1: _SENSITIVITIES[:1], 2: _SENSITIVITIES[1:2], 3: _SENSITIVITIES[2:],
    4: _SENSITIVITIES[:2], 5: _SENSITIVITIES[::2], 6: _SENSITIVITIES[1:],
}  # fmt: skip


def read_exif(image: Image.Image, found: bytes | None) -> Image.Exif:
    """Return the EXIF of an opened file, without decoding it; `found` is what the container's survey came upon.

    Not `image.getexif()`: that decodes a whole PNG to look behind its pixels, and takes XMP's word for the
    orientation, which browsers and other libraries do not.
    """
    if image.format == "TIFF":  # its own directory is the EXIF
        exif: Image.Exif = attempt(image.getexif) or Image.Exif()
        for directory in (IFD.Exif, IFD.GPSInfo, IFD.Interop):  # now: the file may be closed when they are asked for
            attempt(partial(exif.get_ifd, directory))
        return exif
    data = found or image.info.get("exif") or raw_profile(image, "exif", "APP1")
    exif = Image.Exif()
    if data:
        attempt(lambda: exif.load(attempt(lambda: _with_known_types(data)) or data))
    return exif


def _with_known_types(data: bytes) -> bytes:
    """EXIF whose texts are all of the type for ASCII: Pillow leaves out those of EXIF 3.0's type for UTF-8."""
    patched = bytearray(data.removeprefix(_HEADER).removeprefix(_HEADER))
    order = "<" if patched[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}I", patched, 4)
    for _ in range(2):  # the picture's directory, then the photograph's
        (count,) = struct.unpack_from(f"{order}H", patched, at)
        entries, at = range(at + 2, at + 2 + 12 * min(count, _MAX_ENTRIES), 12), 0
        for entry in entries:
            tag, kind, _, value = struct.unpack_from(f"{order}HHII", patched, entry)
            if kind == _UTF8:
                struct.pack_into(f"{order}H", patched, entry + 2, _ASCII)
            if tag == IFD.Exif:
                at = value
        if not at:
            break
    return bytes(patched)


def raw_profile(image: Image.Image, *names: str) -> bytes | None:
    """Return the first of a PNG's blocks that ImageMagick, and ExifTool in its time, wrote as hexadecimal text."""
    text = next(filter(None, (image.info.get(f"Raw profile type {name}") for name in names)), None)
    return attempt(lambda: bytes.fromhex("".join(text.split("\n")[3:]))) if text else None


def orientation_of(exif: Image.Exif) -> int:
    """Return the EXIF orientation 1-8; 1 where it is missing or nonsense."""
    value = attempt(lambda: exif.get(BASE.Orientation))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def names_adobe_rgb(exif: Image.Exif) -> bool:
    """Tell whether the camera says Adobe RGB by EXIF alone, as DCF has it, without an ICC profile."""
    return text_of(attempt(lambda: exif.get_ifd(IFD.Interop).get(1))) == _ADOBE_RGB_INTEROPERABILITY


def lookup(exif: Image.Exif) -> Lookup:
    """Return what finds a tag's value."""
    photo: dict[int, Any] = attempt(lambda: dict(exif.get_ifd(IFD.Exif))) or {}
    return lambda tag: photo[tag] if tag in photo else attempt(lambda: exif.get(tag))


def attempt(read: Callable[[], Any]) -> Any:
    """Return what `read` does, `None` where it fails: whatever hostile metadata provoke, they are only metadata."""
    try:
        return read()
    except Exception:
        return None


def text_of(value: object) -> str | None:
    """Return an EXIF text, which ends at its first NUL."""
    data = _bytes_of(value)
    return None if data is None else decode(data)


def copyright_of(value: object) -> str | None:
    """Return the photographer's and the editor's copyright, joined by a comma.

    The value is "photographer" NUL "editor" NUL; a blank stands for a photographer without one (CIPA DC-008, 4.6.5).
    """
    parts = (_bytes_of(value) or b"").split(b"\0", 2)[:2]
    return ", ".join(dict.fromkeys(filter(None, map(decode, parts)))) or None


def windows_author(tag: Lookup) -> str | None:
    """Return the author that Windows' file properties write, in UTF-16."""
    value = tag(_XP_AUTHOR)
    return decode(b"\xff\xfe" + value) if isinstance(value, bytes) else None


def iso_of(tag: Lookup) -> int | None:
    """Return the ISO sensitivity.

    ISOSpeedRatings has 16 bits: from 65,535 on the number is in the tag that SensitivityType names.
    """
    stated = _whole(tag(BASE.ISOSpeedRatings))
    if stated is not None and stated != UNKNOWN_OR_MORE:
        return stated
    repeated = _REPEATED.get(tag(BASE.SensitivityType), _SENSITIVITIES)
    return next(filter(None, (_whole(tag(one)) for one in repeated)), stated)


def _whole(value: object) -> int | None:
    found = number(value)
    return int(found) if found is not None and found >= 1 else None


def _bytes_of(value: object) -> bytes | None:
    # Pillow reads texts as Latin-1; EXIF 3.0 allows UTF-8, and programs wrote it before.
    if isinstance(value, str):
        return value.encode("latin-1", "ignore")
    return value if isinstance(value, bytes) else None
