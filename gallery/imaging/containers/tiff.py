"""TIFF (6.0, and BigTIFF): what its directories claim, held against the file; and RAW files, which are TIFFs too."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from gallery.errors import RejectedImage
from gallery.imaging.containers.survey import Survey

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_ENTRIES, _MAX_DIRECTORIES = 4096, 100_000
_MAX_NUMBERS = 1_000_000  # of one entry; the smallest tiles that TIFF allows, for 200 megapixels, are fewer
_ABSURD_BYTES = 16 * 1024 * 1024  # of all entries together, where the file is shorter than they say
_MOST_PAGES = 1000  # that are looked at
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_MAKE, _STRIPS, _ROWS_PER_STRIP, _STRIP_BYTES = 271, 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_SAMPLES, _PLANAR, _SUB_IFDS, _EXTRA, _SAMPLE_FORMAT, _ICC, _DNG_VERSION = 277, 284, 330, 338, 339, 34675, 50706
_WHAT_IT_IS = frozenset({_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT})
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2  # of the two tags that tell what a page is
_SEPARATE, _YCBCR, _SIGNED, _FLOAT = 2, 6, 2, 3
_IIM, _MAX_IIM_BYTES = 33723, 1024 * 1024
_CFA, _LINEAR_RAW = 32803, 34892  # the photometric interpretations of sensor data (DNG 1.7, chapter 4)
# Compressions that only cameras write: Nikon, Sony, Pentax, Samsung, Kodak.
_RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65535, 65000, 262}
_MAKERS = {
    "NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF", "RICOH": "PEF", "CANON": "CR2", "SAMSUNG": "SRW",
    "HASSELBLAD": "3FR", "PHASE ONE": "IIQ", "LEAF": "MOS", "EPSON": "ERF", "KODAK": "DCR", "OLYMPUS": "ORF",
    "PANASONIC": "RW2", "LEICA": "RWL", "MAMIYA": "MEF",
}  # fmt: skip
_UNSUPPORTED_COMPRESSIONS = {
    33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34661: "JBIG", 34887: "LERC", 50001: "WebP",
}  # fmt: skip


_COLOURS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "separated", 6: "YCbCr", 8: "Lab", 9: "ICC Lab",
    10: "ITU Lab", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Directory:
    """One image file directory: its integers by tag, as far as they lie within the file."""

    values: Mapping[int, tuple[int, ...]]
    make: str
    claimed_bytes: int  # by all entries together
    iim: bytes | None
    cut_off: frozenset[int]  # the tags whose values would lie behind the file's end

    def first(self, tag: int, otherwise: int = 0) -> int:
        found = self.values.get(tag)
        return found[0] if found else otherwise

    @property
    def area(self) -> int:
        return self.first(_WIDTH) * self.first(_HEIGHT)

    @property
    def bits(self) -> int:
        return max(self.values.get(_BITS, (1,)), default=1)

    @property
    def stands_for_another(self) -> bool:
        """Whether it is a thumbnail or a mask of another page's picture."""
        return bool(self.first(_SUBFILE) & (_REDUCED | _MASK)) or self.first(_OLD_SUBFILE) == _OLD_REDUCED

    @property
    def layout(self) -> str:
        """Colour, samples and their depth, as a photographer may find them in an editor."""
        photometric, extra = self.first(_PHOTOMETRIC), len(self.values.get(_EXTRA, ()))
        colour = _COLOURS.get(photometric, f"photometric interpretation {photometric}")
        return (
            f"{colour}, {self.first(_SAMPLES, 1)} samples of {self.bits} bits"
            + (f", {extra} of them extra" if extra else "")
            + (", in separate planes" if self.first(_PLANAR, 1) == _SEPARATE else "")
        )


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        self._big = data[2:4] in (b"+\x00", b"\x00+")

    def chain(self) -> Iterator[int]:
        """Where the directories that follow each other begin; each once, however they are linked."""
        at = self._number("Q" if self._big else "I", 8 if self._big else 4)
        seen: set[int] = set()
        while at and at not in seen and len(seen) < _MAX_DIRECTORIES:
            seen.add(at)
            count = self._number("Q" if self._big else "H", at)
            if count is None:
                return
            yield at
            entries = at + (8 if self._big else 2) + count * (20 if self._big else 12)
            at = self._number("Q" if self._big else "I", entries)

    def directory(self, at: int, only: Container[int] | None = None) -> _Directory:
        """The one at `at`; of `only` those tags, and those with one value, where they are given."""
        values: dict[int, tuple[int, ...]] = {}
        make, claimed, iim, cut_off = "", 0, None, set()
        count = self._number("Q" if self._big else "H", at) or 0
        step, first = (20, at + 8) if self._big else (12, at + 2)
        for entry in range(first, first + min(count, _MAX_ENTRIES) * step, step):
            if entry + step > len(self._data):
                break
            tag, kind = struct.unpack_from(self._order + "HH", self._data, entry)
            number = self._number("Q" if self._big else "I", entry + 4) or 0
            length = number * _TYPE_BYTES.get(kind, 1)
            claimed += length
            place = entry + step - (8 if self._big else 4)
            if length > (8 if self._big else 4):
                place = self._number("Q" if self._big else "I", place) or 0
            if place + length > len(self._data):
                cut_off.add(tag)
                continue
            if tag == _MAKE and kind == 2:
                make = self._data[place : place + min(length, 64)].decode("latin-1").upper()
            elif tag == _IIM:
                iim = self._data[place : place + min(length, _MAX_IIM_BYTES)]
            elif kind in _INTEGERS and (number <= _MAX_NUMBERS if only is None else number == 1 and tag in only):
                values[tag] = struct.unpack_from(f"{self._order}{number}{_INTEGERS[kind]}", self._data, place)
        return _Directory(values, make, claimed, iim, frozenset(cut_off))

    def _number(self, kind: str, at: int) -> int | None:
        try:
            (value,) = struct.unpack_from(self._order + kind, self._data, at)
        except (struct.error, OverflowError):
            return None
        return int(value)


def survey(data: mmap.mmap) -> Survey:
    """Find the page to take, read its directory, and count the others.

    Raises `RejectedImage` for entries that claim more than the whole file: Pillow would make room for them.
    """
    reader = _Reader(data)
    chain = list(reader.chain())
    first = reader.directory(chain[0]) if chain else None
    if name := _raw_signature(data) or (first and _raw_name(data, reader, first)):
        return Survey(complete=True, unsupported=f"{name} (camera RAW)")
    if first is None:
        return Survey(complete=False)
    pages = [reader.directory(at, _WHAT_IT_IS) for at in chain[:_MOST_PAGES]]
    pictures = [number for number, each in enumerate(pages) if not each.stands_for_another]
    number = pictures[0] if pictures else max(range(len(pages)), key=lambda number: pages[number].area)
    for each in pages[: number + 1]:
        if each.claimed_bytes > len(data) + _ABSURD_BYTES:
            raise RejectedImage(
                "decoder_failed", f"the TIFF's directory is damaged: it claims {each.claimed_bytes:,} bytes of entries"
            )
    page = reader.directory(chain[number]) if number else first
    return Survey(
        complete=_reaches_its_end(page, len(data)),
        size=(page.first(_WIDTH), page.first(_HEIGHT)),
        frames=len(chain),
        page=number,
        pictures=max(1, len(pictures)),
        decoder_bytes=_strip_bytes(page),
        iim=page.iim,
        unsupported="a big-endian BigTIFF" if data[:4] == b"MM\0+" else _unsupported(page),
        rare_kind=f"a TIFF of this kind: {page.layout}",
        for_libtiff=_is_for_libtiff(page),
        unusable_profile="it is cut off" if _ICC in page.cut_off else None,
        white=4095 if page.bits == 12 else 65535,
        inverted=page.first(_PHOTOMETRIC) == 0 and _PHOTOMETRIC in page.values,
    )


def _unsupported(page: _Directory) -> str | None:
    compression, formats = page.first(_COMPRESSION, 1), page.values.get(_SAMPLE_FORMAT, ())
    if compression in _UNSUPPORTED_COMPRESSIONS:
        return f"a TIFF that is compressed as {_UNSUPPORTED_COMPRESSIONS[compression]}"
    if page.bits > 16 or _FLOAT in formats:
        return f"a TIFF with {page.bits}-bit samples"
    if page.bits == 16 and _SIGNED in formats:
        return "a TIFF with signed 16-bit samples"
    return None


def _is_for_libtiff(page: _Directory) -> bool:
    """What Pillow's own decoder of uncompressed TIFFs gets wrong: it reads 16-bit planes as 8-bit ones, and knows
    neither coefficients, nor reference levels, nor subsampling of YCbCr."""
    planes = page.bits == 16 and page.first(_PLANAR, 1) == _SEPARATE
    return page.first(_COMPRESSION, 1) == 1 and (planes or page.first(_PHOTOMETRIC) == _YCBCR)


def _raw_signature(data: mmap.mmap) -> str | None:
    if data[8:10] == b"CR":
        return "CR2"
    return "IIQ" if data[8:12] in (b"IIII", b"MMMM") else None


def _raw_name(data: mmap.mmap, reader: _Reader, page: _Directory) -> str | None:
    """RAW files show a thumbnail or preview as their first page; sensor data gives them away."""
    if _DNG_VERSION in page.values:
        return "DNG"
    parts = [reader.directory(at) for at in page.values.get(_SUB_IFDS, ())[:8]]
    make = page.make or data[:4096].decode("latin-1").upper()
    maker = next((name for sign, name in _MAKERS.items() if sign in make), None)
    sensor = any(
        part.first(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW) or part.first(_COMPRESSION) in _RAW_COMPRESSIONS
        for part in (page, *parts)
    )
    # The picture proper is elsewhere than where a TIFF has it.
    reduced = bool(parts) and (page.first(_SUBFILE) & 1 == 1 or page.area < max(part.area for part in parts))
    unreadable = bool(parts) and maker is not None and not any(part.values for part in parts)
    return maker or "RAW" if sensor or reduced or unreadable else None


def _reaches_its_end(page: _Directory, file_bytes: int) -> bool:
    for offsets, lengths in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        starts, sizes = page.values.get(offsets, ()), page.values.get(lengths, ())
        if any(start >= file_bytes for start in starts):
            return False
        if page.first(_COMPRESSION, 1) == 1 and not _is_for_libtiff(page):
            continue  # its length follows from the picture's size, whatever is claimed; Pillow notices
        if len(starts) == len(sizes) and any(a + b > file_bytes for a, b in zip(starts, sizes, strict=True)):
            return False
    return _STRIPS in page.values or _TILES in page.values


def _strip_bytes(page: _Directory) -> int:
    """libtiff decodes into a strip or tile of its own, and reads a packed one into memory before."""
    width, height = page.first(_WIDTH), page.first(_HEIGHT)
    if _TILES in page.values:
        area = page.first(_TILE_WIDTH) * page.first(_TILE_HEIGHT)
    else:
        area = width * min(height, page.first(_ROWS_PER_STRIP, height) or height)
    # Bits beyond 16 are not decoded; YCbCr comes out of libtiff as RGBA.
    samples = max(4, page.first(_SAMPLES, 1)) if page.first(_PHOTOMETRIC) == _YCBCR else page.first(_SAMPLES, 1)
    bits = max(1, min(16, page.bits))
    packed = max((*page.values.get(_STRIP_BYTES, ()), *page.values.get(_TILE_BYTES, ())), default=0)
    return area * samples * bits // 8 + packed
