"""Metadata: what the catalogue wants to know of a photograph, and the little that its renditions may keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from gallery.imaging.metadata.blocks import NO_IIM, iim_block, xmp_packet
from gallery.imaging.metadata.dates import iso_date
from gallery.imaging.metadata.exif import (
    BASE,
    IFD,
    Lookup,
    attempt,
    copyright_of,
    iso_of,
    lookup,
    names_adobe_rgb,
    orientation_of,
    read_exif,
    text_of,
    windows_author,
)
from gallery.imaging.metadata.iim import read_iim
from gallery.imaging.metadata.numbers import measure
from gallery.imaging.metadata.place import place_of
from gallery.imaging.metadata.statement import Statement
from gallery.imaging.metadata.text import MAX_CHARACTERS
from gallery.imaging.metadata.xmp import read_xmp

__all__ = ["names_adobe_rgb", "orientation_of", "read_exif", "read_metadata", "rendition_exif"]


def read_metadata(image: Image.Image, exif: Image.Exif, iim: bytes | None) -> dict[str, Any]:
    """Camera, lens, exposure, capture time, place and rights, as JSON values; what is missing or broken is left out.

    `image` is the opened file, after its decoding: a PNG may have its XMP behind the pixels. `iim` are the IPTC-IIM
    datasets that the container's survey came upon. `exposure_seconds` and `focal_length_mm` carry their units;
    `captured_at` is ISO 8601, with a zone only where the camera wrote one, and a day only where it wrote no time;
    `gps` has `latitude` and `longitude` in degrees (WGS 84, north and east positive) and `altitude_m`.
    """
    tag = lookup(exif)
    block = attempt(lambda: iim_block(image, tag, iim)) or NO_IIM
    from_iim = attempt(lambda: read_iim(block.data)) or Statement()
    from_xmp = attempt(lambda: read_xmp(xmp_packet(image, tag))) or Statement()
    artist = _reconciled(text_of(tag(BASE.Artist)), from_iim.artist, from_xmp.artist, block.changed)
    owner = _reconciled(copyright_of(tag(BASE.Copyright)), from_iim.copyright, from_xmp.copyright, block.changed)
    facts = {
        "camera_make": text_of(tag(BASE.Make)),
        "camera_model": text_of(tag(BASE.Model)),
        "lens": text_of(tag(BASE.LensModel)),
        "captured_at": next(filter(None, _capture_times(tag, from_xmp, from_iim)), None),
        "exposure_seconds": measure(tag(BASE.ExposureTime)),
        "f_number": measure(tag(BASE.FNumber)),
        "iso": iso_of(tag),
        "focal_length_mm": measure(tag(BASE.FocalLength)),
        "artist": _cut(artist or windows_author(tag)),
        "copyright": _cut(owner),
        "gps": place_of(attempt(lambda: dict(exif.get_ifd(IFD.GPSInfo))) or {}),
    }
    return {name: value for name, value in facts.items() if value is not None}


def rendition_exif(metadata: dict[str, Any]) -> bytes:
    """EXIF with artist and copyright only, empty where there is neither: no GPS, no serial number, no
    orientation (it is in the pixels), no thumbnail of the original."""
    exif = Image.Exif()
    for tag, name in ((BASE.Artist, "artist"), (BASE.Copyright, "copyright")):
        if name in metadata:
            exif[tag] = metadata[name].encode()  # as bytes: Pillow would turn all but ASCII into "?"
    return exif.tobytes() if len(exif) else b""


def _reconciled(exif: str | None, iim: str | None, xmp: str | None, iim_changed: bool) -> str | None:
    """Return the one that counts, by the Metadata Working Group's Guidelines for Handling Image Metadata 2.0.

    EXIF goes before IPTC-IIM and XMP. XMP goes before IPTC-IIM, unless a checksum says that a program which knows no
    XMP has changed the IIM since. IIM's fields are short: where XMP only goes on from what is there, it was cut.
    """
    if exif or not (iim and xmp):
        return exif or iim or xmp
    return iim if iim_changed and not xmp.startswith(iim) else xmp


def _capture_times(tag: Lookup, xmp: Statement, iim: Statement) -> Iterator[str | None]:
    """By how near they are to the exposure; each of EXIF's times has its own zone."""
    for date, offset in (
        (BASE.DateTimeOriginal, BASE.OffsetTimeOriginal),
        (BASE.DateTimeDigitized, BASE.OffsetTimeDigitized),
        (BASE.DateTime, BASE.OffsetTime),
    ):
        yield iso_date(text_of(tag(date)), text_of(tag(offset)))
    yield from map(iso_date, (*xmp.dates, *iim.dates))


def _cut(text: str | None) -> str | None:
    return text and text[:MAX_CHARACTERS]
