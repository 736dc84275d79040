"""PNG (third edition): size, frames, EXIF, colour and end, chunk by chunk; and which chunks a decoder must not see."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from gallery.errors import RejectedImage
from gallery.imaging.containers.survey import CodedColour, Edit, Survey, edited

_READ = frozenset({b"IHDR", b"acTL", b"eXIf", b"cICP", b"tRNS"})
_LONGEST_READ = 1024 * 1024
_MOST_FRAMES = 2**31 - 1  # what an animation may claim; decoders take others for still pictures
_MOST_EDITS = 10_000
_BLOCK = 4 * 1024 * 1024
_PIECE = 4096  # what an error is found in, in this much unpacked or less, is lost
_IEND = b"\0\0\0\0IEND\xae\x42\x60\x82"
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_LEAST_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"acTL": 8, b"fcTL": 26, b"fdAT": 4}
_KEYED = {0: 1, 2: 3}  # colour types that have a colour for transparent, and its samples
_LONGEST_KEYWORD = 79
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


@dataclass(slots=True)
class _Chunk:
    kind: bytes
    start: int
    body: int
    end: int
    whole: bool  # its checksum is right

    @property
    def length(self) -> int:
        return self.end - 4 - self.body

    @property
    def ancillary(self) -> bool:
        return self.kind[:1].islower()


class _Walk:
    """The chunks up to IEND; `broken_at` is where something follows that is no chunk."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.broken_at: int | None = None

    def __iter__(self) -> Iterator[_Chunk]:
        data, at = self._data, 8
        while at + 12 <= len(data):
            (length,) = struct.unpack_from(">I", data, at)
            kind, body = data[at + 4 : at + 8], at + 8
            end = body + length + 4
            if not kind.isalnum() or end > len(data):
                self.broken_at = at
                return
            stored = int.from_bytes(data[end - 4 : end], "big")
            yield _Chunk(kind, at, body, end, whole=_checksum(data, at + 4, end - 4) == stored)
            if kind == b"IEND":
                return
            at = end


def survey(data: mmap.mmap) -> Survey:
    """Walk the chunks and check them. EXIF is taken from here: asked for it, Pillow decodes the picture to look
    behind it. Ancillary chunks that are damaged or unknown in kind are left out, as libpng does."""
    walk, found = _Walk(data), _Findings(data)
    for chunk in walk:
        if chunk.ancillary and not (chunk.whole and _is_well_formed(data, chunk)):
            found.leave_out(chunk)
        else:
            found.take(chunk)
        if len(found.edits) > _MOST_EDITS:
            raise RejectedImage("decoder_failed", f"more than {_MOST_EDITS:,} chunks of the PNG are damaged")
    if walk.broken_at is not None and data.rfind(_IEND, walk.broken_at) >= 0:
        found.close_at(walk.broken_at)  # its end is there, behind a hole
    if found.animation_damaged:  # its chunks do not stand without each other
        others = [(chunk.start, chunk.end, b"") for chunk in _Walk(data) if chunk.kind in _ANIMATION]
        found.frames, found.edits = 1, sorted({*found.edits, *others})
    header = found.header
    return Survey(
        found.complete,
        size=(int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")) if header else None,
        frames=found.frames,
        exif=found.exif,
        colour=found.colour,
        key=found.key,
        unusable_profile=found.unusable_profile,
        damage=_damage(data, header, found.pixels) if found.damaged and found.complete and header else None,
        parts=edited(found.edits, len(data)),
    )


class _Findings:
    """The facts found in the chunks so far, and `edits` for the parts that a decoder must see differently."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.header = b""
        self.frames = 1
        self.exif: bytes | None = None
        self.colour: CodedColour | None = None
        self.key: tuple[int, ...] | None = None
        self.unusable_profile: str | None = None
        self.pixels: list[_Chunk] = []
        self.edits: list[Edit] = []
        self.damaged = self.animation_damaged = self.complete = False

    def leave_out(self, chunk: _Chunk) -> None:
        self.edits.append((chunk.start, chunk.end, b""))
        self.animation_damaged |= chunk.kind in _ANIMATION
        if chunk.kind == b"iCCP":
            self.unusable_profile = "its chunk is damaged"

    def take(self, chunk: _Chunk) -> None:
        if chunk.kind == b"IDAT":
            self.pixels.append(chunk)
            self.damaged |= not chunk.whole
        elif not chunk.whole and chunk.kind != b"IHDR":
            checksum = _checksum(self._data, chunk.start + 4, chunk.end - 4)
            self.edits.append((chunk.end - 4, chunk.end, struct.pack(">I", checksum)))
            self.damaged = True
        elif chunk.kind in _READ and chunk.length <= _LONGEST_READ:
            self._read(chunk, self._data[chunk.body : chunk.end - 4])
        self.complete |= chunk.kind == b"IEND"

    def _read(self, chunk: _Chunk, content: bytes) -> None:
        if chunk.kind == b"IHDR" and len(content) >= 13:
            self.header = content
        elif chunk.kind == b"acTL":
            claimed = int.from_bytes(content[:4], "big")
            self.frames = claimed if 0 < claimed <= _MOST_FRAMES else 1
        elif chunk.kind == b"eXIf":
            self.exif = content
        elif chunk.kind == b"cICP" and len(content) == 4 and not self.pixels:
            primaries, transfer, matrix, full = content
            if matrix == 0:  # of RGB: PNG has no other
                self.colour = CodedColour(primaries, transfer, full_range=bool(full))
        elif chunk.kind == b"tRNS" and self.header and self.header[9] in _KEYED:
            edits, self.key = _key(chunk, content, depth=self.header[8], colour_type=self.header[9])
            self.edits += edits

    def close_at(self, place: int) -> None:
        self.complete = True
        if self.pixels:
            self.edits.append((place, len(self._data), _IEND))
            self.damaged = True


def _key(chunk: _Chunk, content: bytes, *, depth: int, colour_type: int) -> tuple[list[Edit], tuple[int, ...] | None]:
    """The colour that is transparent (11.3.1.1), told to Pillow in the samples that it makes of the file's.

    It takes 2 and 4 bits for 8, and cuts 16 bits of RGB to 8: the second value then is the key, for the caller.
    """
    gone, samples = [(chunk.start, chunk.end, b"")], _KEYED[colour_type]
    if len(content) < 2 * samples:
        return gone, None
    key = struct.unpack_from(f">{samples}H", content)
    if max(key) >> depth:
        return gone, None  # no sample is like it
    if depth == 16 and colour_type == 2:
        return gone, key
    if depth not in (2, 4):
        return [], None
    told = b"tRNS" + struct.pack(">H", key[0] * 255 // (2**depth - 1))
    return [(chunk.start, chunk.end, struct.pack(">I", 2) + told + struct.pack(">I", zlib.crc32(told)))], None


def _checksum(data: mmap.mmap, start: int, stop: int) -> int:
    """CRC-32, about 1 ms per MB; pages that were looked at are given back, so that a large file takes no memory."""
    crc = 0
    with memoryview(data) as whole:
        while start < stop:
            end = min(stop, (start // _BLOCK + 1) * _BLOCK)
            with whole[start:end] as block:
                crc = zlib.crc32(block, crc)
            if end % _BLOCK == 0 and hasattr(data, "madvise"):
                data.madvise(mmap.MADV_DONTNEED, end - _BLOCK, _BLOCK)
            start = end
    return crc


def _is_well_formed(data: mmap.mmap, chunk: _Chunk) -> bool:
    """Whether an ancillary chunk is as long as its kind demands, and packed in the one known way."""
    if chunk.kind in (b"iCCP", b"zTXt"):
        keyword = data[chunk.body : chunk.body + min(chunk.length, _LONGEST_KEYWORD + 2)]
        name, _, method = keyword.partition(b"\0")
        return bool(name) and method[:1] == b"\0"
    return chunk.length >= _LEAST_LENGTHS.get(chunk.kind, 0)


def _damage(data: mmap.mmap, header: bytes, pixels: list[_Chunk]) -> str | None:
    """What is to be said of a damaged picture; `None` where none of its pixels can be unpacked."""
    unpacked, unpacker = 0, zlib.decompressobj()
    with suppress(zlib.error):
        for chunk in pixels:
            for at in range(chunk.body, chunk.end - 4, _PIECE):
                packed = data[at : min(at + _PIECE, chunk.end - 4)]
                while packed:
                    unpacked += len(unpacker.decompress(packed, _PIECE))
                    packed = unpacker.unconsumed_tail
    if not unpacked:
        return None
    width, height, depth, colour_type = struct.unpack(">IIBB", header[:10])
    needed = height * (1 + -(-width * depth * _CHANNELS.get(colour_type, 1) // 8))
    if unpacked + _PIECE >= needed:
        return "a checksum or a chunk in it is wrong, and parts of the picture may be, too"
    return f"only the first {100 * unpacked // needed} % of the picture can be read"
