"""Types only: the recipe (styles and watermark), the limits, and their fingerprints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

# Raise it with every change of the code that changes pixels or metadata of renditions, or what is rejected:
# cached results and rejections of the former version then no longer count.
PROCESSING_VERSION = 2

Fit = Literal["inside", "cover", "pad"]
Subsampling = Literal["auto", "4:4:4", "4:2:2", "4:2:0"]
FileFormat = Literal["jpeg", "webp", "png", "avif"]
Anchor = Literal["top-left", "top-right", "center", "bottom-left", "bottom-right"]
Colour = tuple[int, int, int]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Style:
    """A named output. The box `width` x `height` is in pixels; an image is never scaled up to fill it.

    `inside` keeps the whole picture within the box, `cover` crops it to the box's shape, `pad` lays it on
    a box of `background`. `quality` is 1-100 and counts for lossy formats; `progressive` and
    `subsampling` count for JPEG: `auto` keeps colour in full resolution from quality 90 on.
    `sharpening` is the strength of an unsharp mask after the resize, in percent; 0 is none.
    """

    name: str
    width: int
    height: int
    fit: Fit = "inside"
    format: FileFormat = "jpeg"
    quality: int = 85
    watermark: bool = False
    progressive: bool = False
    subsampling: Subsampling = "auto"
    sharpening: int = 0
    background: Colour = (255, 255, 255)

    @property
    def chroma(self) -> Subsampling:
        """How a JPEG of this style samples colour; `auto` is what libvips and sharp do."""
        if self.subsampling != "auto":
            return self.subsampling
        return "4:4:4" if self.quality >= 90 else "4:2:0"

    def fingerprint(self, *, marked: bool) -> dict[str, Any]:
        """Everything that changes this style's pixels; what its format or fit ignores is left out.

        `marked` says whether the recipe has a watermark for the styles that ask for one.
        """
        facts: dict[str, Any] = {
            "name": self.name,
            "box": [self.width, self.height],
            "fit": self.fit,
            "format": self.format,
            "watermark": self.watermark and marked,
            "sharpening": self.sharpening,
        }
        if self.format != "png":
            facts["quality"] = self.quality
        if self.format == "jpeg":
            facts["progressive"] = self.progressive
            facts["subsampling"] = self.chroma
        if self.format == "jpeg" or self.fit == "pad":
            facts["background"] = list(self.background)
        return facts


@dataclass(frozen=True, slots=True)
class Watermark:
    """An image laid on renditions after the resize.

    `image` is the file's bytes. `scale` is the mark's width, `margin` its distance from the edges, both as
    parts of the rendition's shorter side; `smallest` is its least width in pixels; `opacity` is 0-1.
    """

    image: bytes = field(repr=False)
    anchor: Anchor = "bottom-right"
    scale: float = 0.24
    margin: float = 0.03
    opacity: float = 0.7
    smallest: int = 72

    def fingerprint(self) -> dict[str, Any]:
        """Everything that changes how the mark looks."""
        return {
            "image": hashlib.sha256(self.image).hexdigest(),
            "anchor": self.anchor,
            "scale": float(self.scale),
            "margin": float(self.margin),
            "opacity": float(self.opacity),
            "smallest": self.smallest,
        }


@dataclass(frozen=True, slots=True)
class Recipe:
    """All styles, the watermark and the processing version together."""

    styles: tuple[Style, ...]
    watermark: Watermark | None = None

    @property
    def recipe_id(self) -> str:
        """SHA-256 (64 hex digits) over all that changes pixels or metadata of a rendition, and nothing else.

        The order of the styles does not, nor does a watermark that no style asks for.
        """
        marked = self.watermark is not None and any(style.watermark for style in self.styles)
        return _sha256(
            {
                "version": PROCESSING_VERSION,
                "styles": [
                    style.fingerprint(marked=marked) for style in sorted(self.styles, key=lambda style: style.name)
                ],
                "watermark": self.watermark.fingerprint() if marked and self.watermark else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it is decoded: pixels (width x height), the file's bytes, the bytes of memory that
    decoding would take, the longer side in pixels, and the pictures (frames, pages) of one file."""

    max_pixels: int = 200_000_000
    max_file_bytes: int = 200 * MIB
    max_memory_bytes: int = 1024 * MIB
    max_side: int = 65_535  # what a JPEG can hold; no camera or stitcher goes beyond
    max_frames: int = 1_000  # minutes of animation; only the first picture is used anyway

    @property
    def fingerprint(self) -> str:
        """16 hex digits: a rejection stands only for the limits and processing version that made it."""
        limits = [self.max_pixels, self.max_file_bytes, self.max_memory_bytes, self.max_side, self.max_frames]
        return _sha256({"version": PROCESSING_VERSION, "limits": limits})[:16]


def _sha256(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
