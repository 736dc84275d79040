"""What the process stage says of one file. No Pillow here: the parent of the decoders reads it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RenditionFile:
    """One style's file on disk; width and height in pixels."""

    style: str
    path: Path
    width: int
    height: int
    bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """What was made of one file. Width and height are the source's in pixels, after its orientation;
    `extension` is the one that belongs to its bytes."""

    width: int
    height: int
    source_format: str
    extension: str
    metadata: Mapping[str, Any]
    renditions: tuple[RenditionFile, ...]
