"""What a walk through a file's structure tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Bytes that stand in the place of the file's from one offset to another.
Edit = tuple[int, int, bytes]
# A piece of the file from one offset to another, or bytes of its own.
Part = tuple[int, int] | bytes
Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


@dataclass(frozen=True, slots=True)
class CodedColour:
    """Colour by the numbers of ITU-T H.273 (tables 2 and 3). `full_range` is `False` where black is 16 of 255 and
    white 235, in the pixels as they are decoded."""

    primaries: int
    transfer: int
    full_range: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """`complete`: the picture's data reaches its end; what trails behind that does not matter.

    `size` is the stored one in pixels, `None` where only the decoder knows it. `frames` counts the pictures of
    an animation or the pages; of the latter `page` is the one to take (0 is the first), and `pictures` those that are
    no thumbnails or masks of others. `decoder_bytes` is what the decoder takes in memory beside the picture itself,
    as far as the structure tells it. `unsupported` names a kind of this format that is not decoded, `rare_kind` one
    that not every decoder takes. `for_libtiff`: an uncompressed TIFF that Pillow's own decoder gets wrong.
    """

    complete: bool
    size: tuple[int, int] | None = None
    frames: int = 1
    page: int = 0
    pictures: int = 1
    decoder_bytes: int = 0
    unsupported: str | None = None
    rare_kind: str | None = None
    for_libtiff: bool = False
    exif: bytes | None = None
    # A TIFF's IPTC-IIM datasets, as they lie in the file: Pillow reads one number of them.
    iim: bytes | None = None
    # Of pictures in 16-bit grey: the value that is white, and whether 0 is white instead.
    white: int = 65535
    inverted: bool = False
    # Per sample, where the container of HEIC or AVIF tells.
    bits: int = 8
    # Where the container names the colour by number, and the part of the stored picture that is to be shown.
    colour: CodedColour | None = None
    clean_aperture: Box | None = None
    # The colour that is transparent, at 16 bits a channel.
    key: tuple[int, ...] | None = None
    # Why a profile that the file has cannot be read, and what of the picture cannot.
    unusable_profile: str | None = None
    damage: str | None = None
    # What the decoder is to see, where that is not the file as it is.
    parts: tuple[Part, ...] = ()


def edited(edits: Sequence[Edit], file_bytes: int) -> tuple[Part, ...]:
    """The parts of a file of `file_bytes` bytes with `edits`, which are in order; none where there are none."""
    if not edits:
        return ()
    parts, at = list[Part](), 0
    for start, end, instead in edits:
        parts += [(at, start), instead]
        at = end
    return (*parts, (at, file_bytes))
