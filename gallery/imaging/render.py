"""The process stage for one file: all renditions of a recipe from one decoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.colour import to_srgb, to_working_mode
from gallery.imaging.encode import ENCODINGS, flatten, write_rendition
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.geometry import Placement, Size, is_half, least_decoded, place, shared_reduction
from gallery.imaging.memory import rendering_bytes
from gallery.imaging.metadata import names_adobe_rgb, read_metadata, rendition_exif
from gallery.imaging.placeholder import placeholder_of
from gallery.imaging.profiles import DISPLAY_P3_PRIMARIES, adobe_rgb_profile, display_p3_profile
from gallery.imaging.recipe import Limits, Recipe, Style
from gallery.imaging.rendered import RenderedImage, RenditionFile
from gallery.imaging.sharpening import sharpen
from gallery.imaging.source import OpenedImage, open_source, orient
from gallery.imaging.watermark import draw_watermark

__all__ = ["RenderedImage", "RenditionFile", "render"]

# Pillow first averages whole blocks where more than this many samples of the kernel are left.
_REDUCING_GAP = 3.0
# Those with alpha are multiplied by it before they are resampled, and divided after.
_OPAQUE_MODES = frozenset({"L", "RGB", "CMYK"})


def render(
    source: Path, out_dir: Path, recipe: Recipe, limits: Limits, memory_granted: int | None = None
) -> RenderedImage:
    """Make all renditions of `source` in `out_dir`, as `{style}{extension}`.

    Raises `RejectedImage` where the file is at fault, `NeedsMoreMemory` where decoding would take more than
    `memory_granted` bytes, `OSError` where the disk fails.
    """
    with open_source(source, limits) as opened:
        full_size, size = opened.image.size, opened.size
        placements = [place(size, style) for style in recipe.styles]
        opened.image.draft(None, opened.oriented(least_decoded(placements)))
        _check_memory(rendering_bytes(opened, placements, recipe.styles, full_size), limits, memory_granted)
        opened.image.load()
        picture, notes = _prepare(opened, shared_reduction(size, placements))
        metadata = read_metadata(opened.exif)
    if notes:
        metadata["notes"] = notes
    exif = rendition_exif(metadata)
    cuts = _cut(picture, size, placements)
    renditions = tuple(
        _finish(cut, placement, style, recipe, out_dir, exif)
        for cut, placement, style in zip(cuts, placements, recipe.styles, strict=True)
    )
    metadata["placeholder"] = placeholder_of(min(cuts, key=lambda cut: cut.width * cut.height))
    source_format = opened.source_format
    return RenderedImage(*size, source_format.name, source_format.extension, metadata, renditions)


def _check_memory(needed: int, limits: Limits, granted: int | None) -> None:
    if needed > limits.max_memory_bytes:
        raise RejectedImage(
            "too_many_pixels",
            f"decoding takes about {needed:,} bytes of memory; {limits.max_memory_bytes:,} are allowed",
        )
    if granted is not None and needed > granted:
        raise NeedsMoreMemory(needed)


def _prepare(opened: OpenedImage, reduced: Size) -> tuple[Image.Image, list[str]]:
    """The decoded picture, brought down to `reduced`, upright and in sRGB: in this order, so that turning
    and colour touch the fewest pixels."""
    image = to_working_mode(opened.image, opened.survey)
    if reduced != opened.size:
        size = opened.oriented(reduced)
        if image.mode in _OPAQUE_MODES and image.width < 2 * _REDUCING_GAP * size[0]:
            # Pillow resamples across, then down. Between the two, the decoded picture goes: 8 MB less of a decoder.
            image = image.resize((size[0], image.height), Image.Resampling.LANCZOS)
            opened.image.close()
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    image = orient(image, opened.orientation)
    image, note = to_srgb(image, _profile_of(opened, image.mode))
    if image is opened.image:
        image = image.copy()  # the file is closed behind it
    image.info.clear()  # comments, XMP and the like, which encoders would carry over
    return image, [said for said in (note, opened.note) if said]


def _profile_of(opened: OpenedImage, mode: str) -> bytes | None:
    """The embedded ICC profile, else one for what the file names by EXIF or number, else `None`."""
    if opened.profile is not None or mode not in ("RGB", "RGBA"):
        return opened.profile
    if names_adobe_rgb(opened.exif):
        return adobe_rgb_profile()
    return display_p3_profile() if opened.survey.primaries == DISPLAY_P3_PRIMARIES else None


def _cut(picture: Image.Image, size: Size, placements: Sequence[Placement]) -> list[Image.Image]:
    """What each placement shows, large before small, so that a small one can start from a larger one's."""
    levels = [picture]
    cuts: dict[int, Image.Image] = {}
    for number in sorted(range(len(placements)), key=lambda number: placements[number].whole, reverse=True):
        placement = placements[number]
        level = min(
            (level for level in levels if is_half(level.size, placement.whole)),
            key=lambda level: level.width,
            default=picture,
        )
        cut = _resample(level, size, placement)
        if cut.size == placement.whole and cut is not picture:
            levels.append(cut)
        cuts[number] = cut
    return [cuts[number] for number in range(len(placements))]


def _resample(level: Image.Image, size: Size, placement: Placement) -> Image.Image:
    whole = placement.size == placement.whole
    if whole and level.size == placement.size:
        return level
    across, down = level.width / size[0], level.height / size[1]
    left, top, right, bottom = placement.crop
    box = (left * across, top * down, min(right * across, level.width), min(bottom * down, level.height))
    return level.resize(placement.size, Image.Resampling.LANCZOS, box, _REDUCING_GAP)


def _finish(
    cut: Image.Image, placement: Placement, style: Style, recipe: Recipe, out_dir: Path, exif: bytes
) -> RenditionFile:
    encoding = ENCODINGS[style.format]
    image = cut if encoding.alpha else flatten(cut, style.background)
    if style.sharpening:
        image = sharpen(image, style.sharpening)
    if style.watermark and recipe.watermark is not None:
        image = draw_watermark(image, recipe.watermark)
    if placement.canvas is not None:
        canvas = Image.new("RGB", placement.canvas, style.background)
        image = flatten(image, style.background)
        canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
        image = canvas
    path = out_dir / f"{style.name}{encoding.extension}"
    write_rendition(image, style, path, exif)
    return RenditionFile(style.name, path, image.width, image.height, path.stat().st_size, encoding.content_type)
