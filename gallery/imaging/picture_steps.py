"""The steps that are done once per file: from its header to an upright picture in sRGB.

Each step takes the `Picture`, and replaces `picture.image` where it changes pixels. No step keeps the former image:
two decoded pictures at the same time would double the memory of a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.colour import to_srgb, to_working_mode, with_wide_key_as_alpha
from gallery.imaging.colour_codes import HDR_NAMES
from gallery.imaging.containers import CodedColour
from gallery.imaging.formats import AVIF, JPEG
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.geometry import Placement, Size, least_decoded, place, shared_reduction
from gallery.imaging.hdr import LOST_BY_LIBAVIF, NOTHING, hdr_profile, on_display
from gallery.imaging.jpeg import decode_jpeg
from gallery.imaging.memory import rendering_bytes
from gallery.imaging.named_colour import named_colour
from gallery.imaging.recipe import Limits, Style
from gallery.imaging.source import OpenedImage, orient
from gallery.notes import ImageNote

# Pillow first averages whole blocks where more than this many samples of the kernel are left.
REDUCING_GAP = 3.0
# Pictures with alpha are multiplied by it before they are resampled, and divided after.
_OPAQUE_MODES = frozenset({"L", "RGB", "CMYK"})


@dataclass(slots=True)
class Picture:
    """A file's picture between the steps.

    `size` (pixels, after orientation) is the file's, even where a scaled decoding makes `image` smaller.
    `placements` has one entry per style. `memory_granted` is in bytes; `None` sets no bound.
    """

    opened: OpenedImage
    styles: tuple[Style, ...]
    limits: Limits
    memory_granted: int | None
    image: Image.Image = field(init=False)
    size: Size = field(init=False)
    placements: tuple[Placement, ...] = field(init=False)
    notes: list[ImageNote] = field(init=False)

    def __post_init__(self) -> None:
        self.image, self.size = self.opened.image, self.opened.size
        self.placements = tuple(place(self.size, style) for style in self.styles)
        self.notes = list(self.opened.notes)


def scale_while_decoding(picture: Picture) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8, where the largest rendition needs no more."""
    opened = picture.opened
    opened.image.draft(None, opened.oriented(least_decoded(picture.placements)))


def check_memory(picture: Picture) -> None:
    """Raise `RejectedImage` or `NeedsMoreMemory` where decoding takes more than is allowed or granted."""
    opened, limits, granted = picture.opened, picture.limits, picture.memory_granted
    needed = rendering_bytes(opened, picture.placements, picture.styles, opened.oriented(picture.size))
    if needed > limits.max_memory_bytes:
        raise RejectedImage(
            "too_many_pixels",
            f"decoding takes about {needed:,} bytes of memory; {limits.max_memory_bytes:,} are allowed",
        )
    if granted is not None and needed > granted:
        raise NeedsMoreMemory(needed)


def decode(picture: Picture) -> None:
    """Decode the pixels, those that the container wants to be shown, and note where their data is damaged."""
    opened = picture.opened
    if opened.source_format == JPEG:
        picture.image, notes = decode_jpeg(opened.image, opened.path)
        picture.notes.extend(notes)
    else:
        opened.image.load()
    if opened.clean_aperture:
        picture.image = picture.image.crop(opened.clean_aperture)


def convert_to_working_mode(picture: Picture) -> None:
    """Bring the picture to a mode that can be resampled, of 8 bits per sample."""
    survey = picture.opened.survey
    if survey.key is None:
        picture.image = to_working_mode(picture.image, survey)
        return
    with picture.opened.again() as low:
        # Pillow takes the high byte of each sample; told that the order is the other one, it takes the low byte.
        low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
        picture.image = with_wide_key_as_alpha(picture.image, low, survey.key)


def reduce(picture: Picture) -> None:
    """Bring the picture to the size from which all renditions are cut, if that is smaller."""
    opened = picture.opened
    reduced = shared_reduction(picture.size, picture.placements)
    if reduced == opened.size:
        return
    width, height = opened.oriented(reduced)
    if picture.image.mode in _OPAQUE_MODES and picture.image.width < 2 * REDUCING_GAP * width:
        # Pillow resamples across, then down. Closing the decoded picture between the two saves a decoder 8 MB.
        picture.image = picture.image.resize((width, picture.image.height), Image.Resampling.LANCZOS)
        opened.image.close()
    picture.image = picture.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


def turn_upright(picture: Picture) -> None:
    """Apply the EXIF orientation."""
    picture.image = orient(picture.image, picture.opened.orientation)


def convert_to_srgb(picture: Picture) -> None:
    """Convert the colours to sRGB, by the embedded profile or what the file names otherwise."""
    colour, unknown = named_colour(picture.opened, picture.image.mode)
    if isinstance(colour, CodedColour):
        unknown = ImageNote("hdr_tone_mapped", f"HDR ({HDR_NAMES[colour.transfer]}): tone-mapped to sRGB")
        cut = picture.opened.source_format == AVIF and picture.opened.survey.bits > 8
        picture.image = on_display(picture.image, colour, LOST_BY_LIBAVIF if cut else NOTHING)
        colour = hdr_profile(colour.primaries)
    picture.image, note = to_srgb(picture.image, colour)
    picture.notes += [each for each in (unknown, note) if each]


def detach_from_file(picture: Picture) -> None:
    """Copy the picture if it is still the file's own, which is about to be closed, and drop the file's comments."""
    if picture.image is picture.opened.image:
        picture.image = picture.image.copy()
    picture.image.info.clear()  # comments, XMP and the like, which encoders would write into renditions
