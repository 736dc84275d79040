"""The process stage for one file: all renditions of a recipe from one decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gallery.imaging.cuts import cut_for_styles
from gallery.imaging.encode import ENCODINGS
from gallery.imaging.metadata import read_metadata, rendition_exif
from gallery.imaging.picture_steps import (
    Picture,
    check_memory,
    convert_to_srgb,
    convert_to_working_mode,
    decode,
    detach_from_file,
    reduce,
    scale_while_decoding,
    turn_upright,
)
from gallery.imaging.placeholder import placeholder_of
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenderedImage, RenditionFile
from gallery.imaging.rendition_steps import (
    UnfinishedRendition,
    add_watermark,
    encode,
    flatten_where_format_is_opaque,
    pad_to_canvas,
    sharpen_edges,
)
from gallery.imaging.source import open_source
from gallery.notes import with_notes

__all__ = ["PICTURE_STEPS", "RENDITION_STEPS", "RenderedImage", "RenditionFile", "render"]

# Once per file. The picture is reduced before it is turned and converted: those steps then touch the fewest pixels.
PICTURE_STEPS: tuple[Callable[[Picture], None], ...] = (
    scale_while_decoding,
    check_memory,
    decode,
    convert_to_working_mode,
    reduce,
    turn_upright,
    convert_to_srgb,
    detach_from_file,
)

# Once per style, on the part of the picture that the style shows, already in its final size.
RENDITION_STEPS: tuple[Callable[[UnfinishedRendition], None], ...] = (
    flatten_where_format_is_opaque,
    sharpen_edges,
    add_watermark,
    pad_to_canvas,
    encode,
)


def render(
    source: Path, out_dir: Path, recipe: Recipe, limits: Limits, memory_granted: int | None = None
) -> RenderedImage:
    """Make all renditions of `source` in `out_dir`, as `{style}{extension}`.

    Raises `RejectedImage` where the file is at fault, `NeedsMoreMemory` where decoding would take more than
    `memory_granted` bytes, `OSError` where the disk fails.
    """
    with open_source(source, limits) as opened:
        picture = Picture(opened, recipe.styles, limits, memory_granted)
        for step in PICTURE_STEPS:
            step(picture)
        metadata = with_notes(read_metadata(opened.image, opened.exif, opened.survey.iim), picture.notes)
    exif = rendition_exif(metadata)
    cuts = cut_for_styles(picture.image, picture.size, picture.placements)
    renditions = []
    for cut, placement, style in zip(cuts, picture.placements, recipe.styles, strict=True):
        path = out_dir / f"{style.name}{ENCODINGS[style.format].extension}"
        renditions.append(_finish(UnfinishedRendition(cut, placement, style, recipe.watermark, exif, path)))
    metadata["placeholder"] = placeholder_of(min(cuts, key=lambda cut: cut.width * cut.height))
    source_format = opened.source_format
    return RenderedImage(*picture.size, source_format.name, source_format.extension, metadata, tuple(renditions))


def _finish(rendition: UnfinishedRendition) -> RenditionFile:
    for step in RENDITION_STEPS:
        step(rendition)
    return rendition.finished()
