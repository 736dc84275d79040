"""The files that are sent: tiny, each unlike all others, and of a colour that tells which upload they came with."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image

SIZE = (96, 64)
# JPEG is not exact, and the watermark is light.
TOLERANCE = 24


def file_name(number: int) -> str:
    """The name of a gallery's file with this number, the same in all its uploads."""
    return f"card1/IMG_{number:04}.jpg"


def number_of(name: str) -> int:
    """The number of a file by its name."""
    return int(name[-8:-4])


def files_of(upload: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of an upload as the schedule describes it, by name."""
    numbers = range(upload["first"], upload["first"] + upload["images"])
    return {file_name(number): content(upload["content"], number, number in upload["bad"]) for number in numbers}


@lru_cache(maxsize=4096)
def content(upload: int, number: int, is_bad: bool) -> bytes:
    """A picture of the upload's colour; a bad file is half a picture, or none."""
    if is_bad and number % 2:
        return f"No picture: {upload}/{number}".encode()
    file = io.BytesIO()
    Image.new("RGB", SIZE, colour(upload)).save(file, "JPEG", quality=90, comment=f"{upload}/{number}".encode())
    whole = file.getvalue()
    return whole[: len(whole) // 2] if is_bad else whole


def colour(upload: int) -> tuple[int, int, int]:
    """Red, green, blue: of uploads that follow one another, never alike."""
    digest = hashlib.sha256(f"{upload}".encode()).digest()
    return digest[0], digest[1], digest[2]


def shows(rendition: bytes, upload: int) -> bool:
    """Whether a rendition has the colour of an upload, in its upper left quarter; the watermark is elsewhere."""
    with Image.open(io.BytesIO(rendition)) as image:
        corner = image.convert("RGB").crop((0, 0, max(1, image.width // 2), max(1, image.height // 2)))
    seen = corner.resize((1, 1), Image.Resampling.BOX).tobytes()
    return all(abs(a - b) <= TOLERANCE for a, b in zip(seen, colour(upload), strict=True))
