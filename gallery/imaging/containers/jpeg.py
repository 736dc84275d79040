"""JPEG (ITU-T T.81): the frame header, and whether the end is there."""

from __future__ import annotations

import mmap
import re
import struct

from gallery.imaging.containers.survey import Survey

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
    frame, at = _headers(data)
    complete = data[-2:] == b"\xff\xd9" or _has_end(data)
    if frame is None:
        return Survey(complete)
    marker, body = frame
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    sampling = [(body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, min(len(body) - 2, 6 + 3 * count), 3)]
    unsupported = None
    if marker not in _DECODED:
        unsupported = "a lossless or hierarchical JPEG"
    elif precision != 8:
        unsupported = f"a JPEG with {precision} bits per sample"
    # Progressive, or one scan a component: libjpeg keeps all coefficients, however small it decodes.
    buffered = marker in _PROGRESSIVE or (at is not None and at + 4 < len(data) and data[at + 4] < count)
    return Survey(
        complete,
        size=(width, height) if height else None,
        decoder_bytes=_coefficient_bytes(width, height, sampling) if buffered else 0,
        unsupported=unsupported,
    )


def first_scan(data: mmap.mmap) -> int | None:
    """Where the first scan begins, not that of a preview in the headers; `None` where there is none."""
    return _headers(data)[1]


def _headers(data: mmap.mmap) -> tuple[tuple[int, bytes] | None, int | None]:
    """The frame header with its marker, and where the first scan begins."""
    at, frame = 2, None
    while match := _MARKER.search(data, at):
        at, marker = match.end(), data[match.end() - 1]
        if marker in _BARE:
            continue
        if marker == _EOI:
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == _SOS:
            return frame, at - 2
        if marker in _FRAMES and length >= 9 and frame is None and at + length <= len(data):
            frame = marker, data[at + 2 : at + length]
        at += max(2, length)
    return frame, None


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
