"""EXIF, IPTC-IIM, Photoshop's resources and XMP, byte by byte: as cameras and programs write them, right or wrong."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from tests.imaging.pictures import quarters, rendered

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, UTF8 = 1, 2, 3, 4, 5, 7, 129
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
Entry = tuple[int, int, int, bytes]
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}


def text(tag: int, value: bytes, kind: int = ASCII) -> Entry:
    return tag, kind, len(value), value


def shorts(tag: int, *values: int) -> Entry:
    return tag, SHORT, len(values), struct.pack(f">{len(values)}H", *values)


def longs(tag: int, *values: int) -> Entry:
    return tag, LONG, len(values), struct.pack(f">{len(values)}I", *values)


def rationals(tag: int, *values: tuple[int, int]) -> Entry:
    return tag, RATIONAL, len(values), b"".join(struct.pack(">2I", *value) for value in values)


def exif_block(picture: Sequence[Entry] = (), photo: Sequence[Entry] = (), gps: Sequence[Entry] = ()) -> bytes:
    """EXIF, big-endian, with the directories that have entries."""
    parts: list[tuple[int, Sequence[Entry]]] = [(EXIF_DIRECTORY, photo), (GPS_DIRECTORY, gps)]
    inner = [(tag, entries) for tag, entries in parts if entries]
    first = [*picture, *(longs(tag, 0) for tag, _ in inner)]
    at = 8 + len(_directory(first, 8))
    body = b""
    for tag, entries in inner:
        first = [longs(tag, at + len(body)) if entry[0] == tag else entry for entry in first]
        body += _directory(entries, at + len(body))
    return b"Exif\0\0MM\0*\0\0\0\x08" + _directory(first, 8) + body


def _directory(entries: Sequence[Entry], at: int) -> bytes:
    table, values = struct.pack(">H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        table += struct.pack(">HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(">I", behind + len(values))
            values += value + bytes(len(value) % 2)
    return table + bytes(4) + values


def iim(*datasets: tuple[int, int, bytes]) -> bytes:
    return b"".join(
        struct.pack(">BBBH", 0x1C, record, number, len(value)) + value for record, number, value in datasets
    )


def resources(data: bytes, digest_of: bytes | None = None) -> bytes:
    """Photoshop's image resources with IIM datasets, and the checksum of those that the XMP was written with."""
    found = _resource(0x03ED, bytes(16)) + _resource(0x0404, data)
    return found if digest_of is None else found + _resource(0x0425, hashlib.md5(digest_of).digest())


def _resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def xmp(properties: str = "", attributes: str = "") -> bytes:
    names = " ".join(f'xmlns:{short}="{name}"' for short, name in _NAMES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" {names} {attributes}>{properties}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def xmp_rights(artist: str, owner: str) -> bytes:
    return xmp(
        f"<dc:creator><rdf:Seq><rdf:li>{artist}</rdf:li></rdf:Seq></dc:creator>"
        f'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{owner}</rdf:li></rdf:Alt></dc:rights>'
    )


def segment(number: int, body: bytes) -> bytes:
    """An application segment of a JPEG."""
    return b"\xff" + bytes([0xE0 + number]) + struct.pack(">H", len(body) + 2) + body


def resource_segments(data: bytes, longest: int = 65_000) -> list[bytes]:
    pieces = [data[at : at + longest] for at in range(0, len(data), longest)]
    return [segment(13, b"Photoshop 3.0\0" + piece) for piece in pieces]


def save_jpeg(path: Path, *segments: bytes, exif: bytes = b"", packet: bytes | None = None) -> Path:
    """A small JPEG with segments as they are given."""
    quarters(64, 48).save(path, exif=exif)
    data = path.read_bytes()
    if packet is not None:
        segments = (segment(1, b"http://ns.adobe.com/xap/1.0/\0" + packet), *segments)
    path.write_bytes(data[:2] + b"".join(segments) + data[2:])
    return path


def save_with_xmp(path: Path, packet: bytes) -> Path:
    """A small picture with an XMP packet, in the format of its extension."""
    picture = quarters(64, 48)
    if path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
        picture.save(path, pnginfo=texts)
    elif path.suffix == ".tif":
        picture.save(path, tiffinfo={700: packet})
    else:
        if path.suffix == ".heic":
            from pillow_heif import register_heif_opener

            register_heif_opener()
        picture.save(path, xmp=packet)
    return path


def metadata_of(path: Path) -> dict[str, Any]:
    """The metadata, without the placeholder, of a file as it goes through the process stage."""
    metadata = dict(rendered(path, path.parent).metadata)
    metadata.pop("placeholder")
    return metadata


def rights_in(rendition: Path) -> tuple[str | None, str | None]:
    """Artist and copyright of a rendition."""
    with Image.open(rendition) as image:
        found = [image.getexif().get(tag) for tag in (315, 33432)]
    artist, owner = (value and value.encode("latin-1").decode() for value in found)
    return artist, owner
