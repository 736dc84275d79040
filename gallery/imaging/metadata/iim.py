"""IPTC-IIM 4.2: the rights and the date that agencies' and older programs write.

Not Pillow's `IptcImagePlugin`: it drops everything where the last dataset is broken, has no bound, and of a TIFF finds
no block that Photoshop keeps with its own resources.
"""

from __future__ import annotations

import struct

from gallery.imaging.metadata.statement import Statement
from gallery.imaging.metadata.text import decode

_MARK = 0x1C
_MAX_DATASETS = 2000
_MAX_VALUES = 20
_CHARACTER_SET, _DATE, _TIME, _BYLINE, _COPYRIGHT = (1, 90), (2, 55), (2, 60), (2, 80), (2, 116)
# ISO 2022 escapes to the right half of ISO 8859, by the last letter.
_PARTS_OF_8859 = {b"A": 1, b"B": 2, b"C": 3, b"D": 4, b"L": 5, b"G": 6, b"F": 7, b"H": 8, b"M": 9, b"b": 15}


def read_iim(data: bytes) -> Statement:
    """Return what the datasets state, as far as they are whole."""
    values: dict[tuple[int, int], list[bytes]] = {}
    at = 0
    for _ in range(_MAX_DATASETS):
        if at + 5 > len(data) or data[at] != _MARK:
            break
        record, dataset, length = struct.unpack_from(">BBH", data, at + 1)
        at += 5
        if length & 0x8000:  # an extended dataset: the length of its length
            size = length & 0x7FFF
            length, at = int.from_bytes(data[at : at + min(size, 8)], "big"), at + size
        if at + length > len(data):
            break
        values.setdefault((record, dataset), []).append(data[at : at + length])
        at += length
    escape = values.get(_CHARACTER_SET, [b""])[0]
    encoding = f"iso8859-{_PARTS_OF_8859.get(escape[-1:], 1)}"

    def texts(key: tuple[int, int]) -> list[str]:
        return [text for text in (decode(value, encoding) for value in values.get(key, [])[:_MAX_VALUES]) if text]

    days, times = texts(_DATE), texts(_TIME)
    return Statement(
        artist="; ".join(texts(_BYLINE)) or None,
        copyright="; ".join(texts(_COPYRIGHT)) or None,
        dates=(" ".join([*days[:1], *times[:1]]),) if days else (),
    )
