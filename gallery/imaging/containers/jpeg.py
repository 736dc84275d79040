"""JPEG (ITU-T T.81): the frame header, and whether the end is there."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator

from gallery.imaging.containers.survey import Edit, Survey, edited

# In entropy-coded data FF is followed by 00 (stuffing), by a restart marker, or by another FF (fill);
# anything else is the next real marker (B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS, _JPEG_LS = 0xD8, 0xD9, 0xDA, 0xF7
_BARE = frozenset({0x01, _SOI, *range(0xD0, 0xD8)})  # markers without a length
_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS}) - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC are no frames
_DECODED = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # sequential and progressive, Huffman or arithmetic (table B.1)
_PROGRESSIVE = {0xC2, 0xCA}


def survey(data: mmap.mmap) -> Survey:
    """Read up to the first scan; only files that do not end with the end marker are walked to their end."""
    frame, components, unreadable = None, None, list[Edit]()
    for marker, start, end in _segments(data):
        body = data[start + 4 : end]
        if marker == _SOS:
            components = body[0] if body else None
        elif marker in _FRAMES and len(body) >= 7 and frame is None and end <= len(data):
            frame = marker, body
        elif _is_cut(marker, body):
            unreadable.append((start, min(end, len(data)), b""))
    complete = data[-2:] == b"\xff\xd9" or _has_end(data)
    parts = edited(unreadable, len(data))
    if frame is None:
        return Survey(complete, parts=parts)
    marker, body = frame
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    sampling = [(body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, min(len(body) - 2, 6 + 3 * count), 3)]
    unsupported = None
    if marker not in _DECODED:
        unsupported = "a lossless or hierarchical JPEG"
    elif precision != 8:
        unsupported = f"a JPEG with {precision} bits per sample"
    # Progressive, or one scan a component: libjpeg keeps all coefficients, however small it decodes.
    buffered = marker in _PROGRESSIVE or (components is not None and components < count)
    return Survey(
        complete,
        size=(width, height) if height else None,
        decoder_bytes=_coefficient_bytes(width, height, sampling) if buffered else 0,
        unsupported=unsupported,
        parts=parts,
    )


def first_scan(data: mmap.mmap) -> int | None:
    """Where the first scan begins, not that of a preview in the headers; `None` where there is none."""
    return next((start for marker, start, _ in _segments(data) if marker == _SOS), None)


def _segments(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """The headers' segments up to that of the first scan: the marker, where it begins, and where its body ends."""
    at = 2
    while match := _MARKER.search(data, at):
        at, marker = match.end(), data[match.end() - 1]
        if marker in _BARE:
            continue
        if marker == _EOI:
            return
        end = at + max(2, int.from_bytes(data[at : at + 2], "big"))
        yield marker, at - 2, end
        if marker == _SOS:
            return
        at = end


def _is_cut(marker: int, body: bytes) -> bool:
    """Whether a segment that no picture needs ends where Pillow would read on, and then refuse the whole file."""
    return (
        (marker == 0xE0 and body.startswith(b"JFIF") and len(body) < 7)
        or (marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) < 14)
        or (marker == 0xED and body[-6:-2] == b"8BIM")
        or (marker == 0xEE and body.startswith(b"Adobe") and len(body) < 7)
    )


def _coefficient_bytes(width: int, height: int, sampling: list[tuple[int, int]]) -> int:
    """Two bytes for each coefficient of each component, at the component's own resolution."""
    widest = max((across for across, _ in sampling), default=1) or 1
    tallest = max((down for _, down in sampling), default=1) or 1
    return sum(2 * (width * across // widest + 8) * (height * down // tallest + 8) for across, down in sampling)


def _has_end(data: mmap.mmap) -> bool:
    at = 2
    while match := _MARKER.search(data, at):
        at, marker = match.end(), data[match.end() - 1]
        if marker == _EOI:
            return True
        if marker not in _BARE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return False
