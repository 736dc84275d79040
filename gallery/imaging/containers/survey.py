"""What a walk through a file's structure tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Survey:
    """`complete`: the picture's data reaches its end; what trails behind that does not matter.

    `size` is the stored one in pixels, `None` where only the decoder knows it. `frames` counts the pictures of
    an animation or the pages. `decoder_bytes` is what the decoder takes in memory beside the picture itself,
    as far as the structure tells it. `unsupported` names a kind of this format that is not decoded.
    """

    complete: bool
    size: tuple[int, int] | None = None
    frames: int = 1
    decoder_bytes: int = 0
    unsupported: str | None = None
    exif: bytes | None = None
    # A TIFF's IPTC-IIM datasets, as they lie in the file: Pillow reads one number of them.
    iim: bytes | None = None
    # Of pictures in 16-bit grey: the value that is white, and whether 0 is white instead.
    white: int = 65535
    inverted: bool = False
    # The colour primaries that ITU-T H.273 numbers, where the container names them so.
    primaries: int | None = None
