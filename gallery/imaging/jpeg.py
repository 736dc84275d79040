"""JPEG's pixels, and whether their data is damaged.

libjpeg paints over what it cannot decode, counts a warning and goes on, and Pillow keeps these to itself. simplejpeg
has the same decoder, gives the same pixels, and tells.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from gallery.imaging.containers.jpeg import first_scan
from gallery.notes import ImageNote

DAMAGED = ImageNote("damaged", "parts of the picture's data are damaged: compare it with the original on the card")

# Of simplejpeg, by the mode that Pillow gives: what to ask for, and how Pillow reads it.
_PIXELS = {"L": ("GRAY", "L"), "RGB": ("RGBX", "RGBX"), "CMYK": ("CMYK", "CMYK;I")}
# libjpeg's warnings that say nothing of the pixels (jerror.h): odd headers that all viewers take.
_HARMLESS = re.compile(r"Invalid SOS parameters|Unknown Adobe color transform|unknown JFIF revision")
# Some cameras and editors leave a few bytes before a restart marker or the end.
_EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd([0-9])")
_FEW_BYTES = 64
_SECTOR = 512  # bytes; what is lost at once
# In a scan, FF begins a marker unless 00 follows. These codes have no meaning there (ITU-T T.81, table B.1).
_NO_MARKER = re.compile(rb"\xff+[\x01-\xbf\xc8\xd8\xde\xdf\xf0-\xfd]")
_SCAN = b"\xff\xda"
_END = b"\xff\xd9"
_MOST_SCANS = 32  # that are left out, one after the other, to save the rest


class Unfinished(ValueError):
    """The decoder has given up in the middle of `picture`, whose rest is grey."""

    def __init__(self, picture: Image.Image) -> None:
        super().__init__("only the beginning was decoded")
        self.picture = picture


@cache
def decoder() -> Callable[..., Any] | None:
    """simplejpeg's `decode_jpeg`; `None` where it is not installed, as on platforms that it has no wheel for."""
    # numpy, which it brings, would start a thread for each processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        found: Callable[..., Any] = import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return found


def decode_jpeg(image: Image.Image, path: Path) -> tuple[Image.Image, tuple[ImageNote, ...]]:
    """The pixels of `image`, a JPEG that Pillow has opened at `path`, in its mode and at the size of its draft, with
    the note `damaged` where its data is.

    What is damaged is decoded as far as possible. Raises `OSError` where nothing can be decoded.
    """
    if (decode := decoder()) is None or image.mode not in _PIXELS:
        image.load()
        return image, ()
    decoded = partial(_decoded, decode, image)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return decoded(data, strict=True), ()
        except ValueError as error:
            warning = str(error)
        beginning = None
        try:
            picture = decoded(data)
            return picture, () if _is_harmless(warning, data, decoded) else (DAMAGED,)
        except Unfinished as unfinished:
            beginning = unfinished.picture
        except ValueError:
            # It is of a kind that simplejpeg does not know, unless Pillow does not decode it either.
            with suppress(OSError):
                image.load()
                return image, ()
        for salvaged in _salvaged(data):
            with suppress(ValueError):
                return decoded(salvaged), (DAMAGED,)
        if beginning is None:
            raise OSError(warning)
        return beginning, (DAMAGED,)


def _decoded(
    decode: Callable[..., Any], image: Image.Image, data: mmap.mmap | bytes, *, strict: bool = False
) -> Image.Image:
    """Raises `ValueError` where the decoder gives up, `Unfinished` where it does so in the middle; and where it warns,
    if it is `strict`.
    """
    colours, raw = _PIXELS[image.mode]
    # Asked for the whole size, it would rather enlarge a tiny picture from a smaller one.
    options: dict[str, Any] = {"min_height": image.height, "min_width": image.width} if _is_scaled(image) else {}
    untouched = b""
    if not strict:
        # After a warning, it does not say that it has given up: the rows that are as they were tell. Without them, what
        # was in memory before would show.
        length = image.width * len(raw[:4])
        untouched = (bytes(reversed(range(256))) * (length // 256 + 1))[:length]
        options["buffer"] = bytearray(untouched) * image.height
    pixels = decode(data, colours, strict=strict, **options)
    picture = Image.frombuffer(raw[:4], image.size, pixels, "raw", raw, 0, 1).convert(image.mode)
    if untouched:
        _check_finished(picture, options["buffer"], untouched)
    return picture


def _check_finished(picture: Image.Image, rows: bytearray, untouched: bytes) -> None:
    """Raise `Unfinished`, or `ValueError`, where the last rows, or all, are as they were before the decoding."""
    done = picture.height
    while done and rows[(done - 1) * len(untouched) : done * len(untouched)] == untouched:
        done -= 1
    if not done:
        raise ValueError("nothing was decoded")
    if done < picture.height:
        beginning = Image.new(picture.mode, picture.size, "grey" if picture.mode != "CMYK" else 0)
        beginning.paste(picture.crop((0, 0, picture.width, done)))
        raise Unfinished(beginning)


def _is_scaled(image: Image.Image) -> bool:
    factor, *_ = getattr(image, "decoderconfig", ()) or (1,)
    return bool(factor > 1)


def _is_harmless(warning: str, data: mmap.mmap, decoded: Callable[..., Image.Image]) -> bool:
    """Whether the last warning that a decoding gave leaves the pixels as they were meant."""
    if _HARMLESS.search(warning):
        return True
    extraneous = _EXTRANEOUS.search(warning)
    if extraneous is None:
        return False
    if int(extraneous[1]) <= _FEW_BYTES:
        return not _has_hole(data)
    return extraneous[2] == "9" and _is_padded(data, decoded)


def _has_hole(data: mmap.mmap) -> bool:
    start = first_scan(data) or 0
    return any(data.find(bytes([filler]) * _SECTOR, start) >= 0 for filler in (0x00, 0xFF))


def _is_padded(data: mmap.mmap, decoded: Callable[..., Image.Image]) -> bool:
    """Whether the picture is whole without what fills the space before its end."""
    end = data.find(_END, first_scan(data) or 0)
    try:
        decoded(data[:end].rstrip(b"\x00") + _END, strict=True)
    except ValueError:
        return False
    return True


def _salvaged(data: mmap.mmap) -> Iterator[bytes]:
    """What may be decoded instead of data that libjpeg gives up at, the best first: the scans before the one with a
    marker that is none, which show the whole picture; all without such markers; and without one scan after the other,
    from the end."""
    start = first_scan(data)
    if start is None:
        return
    scans = data[start:]
    if found := _NO_MARKER.search(scans):
        broken = scans.rfind(_SCAN, 0, found.start())
        if broken > 0:
            yield data[:start] + scans[:broken] + _END
    yield (whole := data[:start] + _NO_MARKER.sub(lambda found: bytes(len(found[0])), scans))
    for _ in range(_MOST_SCANS):
        last = whole.rfind(_SCAN)
        if last <= start:
            return
        whole = whole[:last]
        yield whole + _END
