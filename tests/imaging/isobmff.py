"""HEIC and AVIF files with further properties of their primary picture."""

from __future__ import annotations

import struct


def with_properties(content: bytes, *properties: bytes) -> bytes:
    """`content` with `properties` (whole boxes) behind those that its first item has, in the order given."""
    data = bytearray(content)
    ipco, ipma = data.index(b"ipco") - 4, data.index(b"ipma") - 4
    added = b"".join(properties)
    count, at = 0, ipco + 8
    while at < ipco + _length(data, ipco):
        count, at = count + 1, at + _length(data, at)
    # ipma: version and flags, entries, then item, how many, and one byte each.
    assert data[ipma + 8 : ipma + 12] == bytes(4)
    associated = ipma + 18
    indexes = bytes(0x80 | count + 1 + number for number in range(len(properties)))
    end = associated + 1 + data[associated]
    data[associated] += len(properties)
    data[end:end] = indexes
    data[at:at] = added
    grown = len(added) + len(indexes)
    _grow(data, data.index(b"meta") - 4, grown)
    _grow(data, data.index(b"iprp") - 4, grown)
    _grow(data, ipco, len(added))
    _grow(data, data.index(b"ipma") - 4, len(indexes))
    _move_items(data, grown)
    return bytes(data)


def clap(size: tuple[int, int], offset: tuple[int, int]) -> bytes:
    """A clean aperture of `size` pixels, its middle `offset` pixels (as halves) from the picture's."""
    return _box(b"clap", struct.pack(">8i", size[0], 1, size[1], 1, offset[0], 2, offset[1], 2))


def irot(quarters: int) -> bytes:
    """A rotation by quarters of a turn, against the clock."""
    return _box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    """A mirror image: 0 exchanges top and bottom, 1 left and right."""
    return _box(b"imir", bytes([axis]))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _length(data: bytearray, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])


def _grow(data: bytearray, at: int, by: int) -> None:
    struct.pack_into(">I", data, at, _length(data, at) + by)


def _move_items(data: bytearray, by: int) -> None:
    """The items' data, behind `meta`, is further on now: tell `iloc` (versions 0 and 1, offsets of 4 bytes)."""
    at = data.index(b"iloc") + 4
    version, sizes, base = data[at], data[at + 4], data[at + 5] >> 4
    assert version < 2 and sizes == 0x44 and base in (0, 4)
    (items,) = struct.unpack_from(">H", data, at + 6)
    at += 8
    for _ in range(items):
        at += 4 + (2 if version == 1 else 0) + base
        (extents,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(extents):
            struct.pack_into(">I", data, at, _length(data, at) + by)
            at += 8
