"""What a block of metadata beside EXIF states."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """Who made the picture, who has the rights, and when it was taken: the dates as written, the best first."""

    artist: str | None = None
    copyright: str | None = None
    dates: tuple[str, ...] = ()
