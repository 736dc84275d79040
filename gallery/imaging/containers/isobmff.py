"""HEIC and AVIF (ISO/IEC 14496-12, 23008-12): end, and what is said of the primary picture."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction

from gallery.imaging.containers.survey import Box, CodedColour, Survey

# What may stand at the top of such a file; anything else trails behind it.
_TOP = frozenset(
    {b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid", b"idat", b"mfra", b"pdin"}
)
_NCLX = re.compile(rb"colrnclx(..)(..)", re.S)
_MOST_BOXES = 100_000  # side by side
# Item types that libheif decodes only where it was built so.
_RARE_CODINGS = {
    b"j2k1": "JPEG 2000", b"jpeg": "JPEG", b"avc1": "H.264", b"vvc1": "H.266", b"evc1": "EVC", b"lhv1": "layered H.265",
    b"unci": "uncompressed pixels (unci)",
}  # fmt: skip


def survey(data: mmap.mmap) -> Survey:
    """Walk the boxes at the top. Frames are the decoder's to tell: it parses before it decodes."""
    complete, kinds, picture, colour = True, set(), _Picture(), None
    for kind, start, end in _top_boxes(data):
        kinds.add(kind)
        complete = complete and end <= len(data)
        if kind == b"meta" and end <= len(data):
            with suppress(struct.error, IndexError):  # what is wrong is the decoder's to say
                picture = _primary_picture(data, start + 4, end)
        elif kind == b"moov" and (match := _NCLX.search(data, start, min(end, len(data)))):
            colour = CodedColour(int.from_bytes(match[1], "big"), int.from_bytes(match[2], "big"))
    complete = complete and (b"meta" in kinds or b"moov" in kinds)
    return Survey(
        complete,
        size=picture.size,
        rare_kind=picture.rare_kind,
        bits=picture.bits,
        colour=picture.colour or colour,
        clean_aperture=picture.clean_aperture,
    )


@dataclass(slots=True)
class _Picture:
    coding: bytes = b""
    size: tuple[int, int] | None = None
    colour: CodedColour | None = None
    bits: int = 8
    aperture: tuple[int, ...] = ()
    properties: set[bytes] = field(default_factory=set)

    @property
    def clean_aperture(self) -> Box | None:
        """The pixels to show (14496-12, 12.1.4): a size, and how far its middle is from the picture's.

        `None` where there is none, and where it does not lie within the picture.
        """
        if self.size is None or not self.aperture or 0 in self.aperture[1::2]:
            return None
        width, height, across, down = (Fraction(*self.aperture[at : at + 2]) for at in range(0, 8, 2))
        left, top = across + (self.size[0] - width) / 2, down + (self.size[1] - height) / 2
        box = round(left), round(top), round(left + width), round(top + height)
        inside = 0 <= box[0] < box[2] <= self.size[0] and 0 <= box[1] < box[3] <= self.size[1]
        return box if inside and box != (0, 0, *self.size) else None

    @property
    def rare_kind(self) -> str | None:
        if self.coding == b"unci" and b"cmpC" in self.properties:
            return "HEIF with pixels under generic compression (unci, cmpC)"
        return f"HEIF with {_RARE_CODINGS[self.coding]}" if self.coding in _RARE_CODINGS else None


def _primary_picture(data: mmap.mmap, start: int, end: int) -> _Picture:
    """The facts that the `meta` box gives about its primary item (23008-12, 6.2)."""
    boxes = {kind: (body, stop) for kind, body, stop in _boxes(data, start, end)}
    wide = data[boxes[b"pitm"][0]] > 0 if b"pitm" in boxes else False
    if b"pitm" not in boxes or b"iprp" not in boxes:
        return _Picture()
    (primary,) = struct.unpack_from(">I" if wide else ">H", data, boxes[b"pitm"][0] + 4)
    picture = _Picture(coding=_coding(data, *boxes[b"iinf"], primary) if b"iinf" in boxes else b"")
    _read_properties(data, boxes[b"iprp"], primary, picture)
    if picture.colour is None and picture.coding == b"grid" and b"iref" in boxes:
        tile = _Picture()
        _read_properties(data, boxes[b"iprp"], _first_part(data, *boxes[b"iref"], primary), tile)
        picture.colour = tile.colour
    return picture


def _coding(data: mmap.mmap, start: int, end: int, item: int) -> bytes:
    for kind, body, _ in _boxes(data, start + (6 if data[start] == 0 else 8), end):
        if kind == b"infe" and data[body] >= 2:
            wide = data[body] > 2
            (number,) = struct.unpack_from(">I" if wide else ">H", data, body + 4)
            if number == item:
                at = body + (10 if wide else 8)
                return data[at : at + 4]
    return b""


def _first_part(data: mmap.mmap, start: int, end: int, item: int) -> int:
    """The first picture that a derived one is made of; 0 where there is none."""
    number = ">I" if data[start] else ">H"
    step = struct.calcsize(number)
    for kind, body, _ in _boxes(data, start + 4, end):
        if kind == b"dimg" and struct.unpack_from(number, data, body) == (item,):
            return int(struct.unpack_from(number, data, body + step + 2)[0])
    return 0


def _read_properties(data: mmap.mmap, place: tuple[int, int], item: int, picture: _Picture) -> None:
    """Of `item`, in the order in which they are associated."""
    known: list[tuple[bytes, int, int]] = []
    for kind, start, end in _boxes(data, *place):
        if kind == b"ipco":
            known = list(_boxes(data, start, end))
        elif kind == b"ipma":
            for index in _associations(data, start, item):
                if 0 < index <= len(known):
                    _read_property(data, *known[index - 1], picture)


def _associations(data: mmap.mmap, at: int, item: int) -> Iterator[int]:
    wide, long = data[at] > 0, data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(min(entries, _MOST_BOXES)):
        (number,) = struct.unpack_from(">I" if wide else ">H", data, at)
        at += 4 if wide else 2
        count = data[at]
        if number == item:
            indexes = struct.unpack_from(f">{count}{'H' if long else 'B'}", data, at + 1)
            yield from (index & (0x7FFF if long else 0x7F) for index in indexes)  # without the mark "essential"
        at += 1 + count * (2 if long else 1)


def _read_property(data: mmap.mmap, kind: bytes, start: int, end: int, picture: _Picture) -> None:
    picture.properties.add(kind)
    if kind == b"ispe":
        width, height = struct.unpack_from(">II", data, start + 4)
        picture.size = width, height
    elif kind == b"colr" and data[start : start + 4] == b"nclx" and picture.colour is None:
        # The decoder has applied matrix and range.
        picture.colour = CodedColour(*struct.unpack_from(">HH", data, start + 4))
    elif kind == b"pixi":
        picture.bits = data[start + 5]
    elif kind == b"clap":
        picture.aperture = struct.unpack_from(">8i", data, start)


def _top_boxes(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    for kind, body, end in _boxes(data, 0, len(data)):
        if kind not in _TOP:
            return
        yield kind, body, end


def _boxes(data: mmap.mmap, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the contents, end of each box; the last one may claim to end behind the file."""
    for _ in range(_MOST_BOXES):
        if at + 8 > stop:
            return
        (length,), kind, body = struct.unpack_from(">I", data, at), data[at + 4 : at + 8], at + 8
        if length == 1 and at + 16 <= stop:
            (length,), body = struct.unpack_from(">Q", data, at + 8), at + 16
        end = stop if length == 0 else at + length
        if end < body:
            return
        yield kind, body, end
        at = end
