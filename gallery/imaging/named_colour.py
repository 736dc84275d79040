"""Which of the things that a file says of its colours counts: the order of the formats' specifications."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from gallery.imaging.colour_codes import chunk_profile, coded_profile, is_hdr, is_srgb
from gallery.imaging.containers import CodedColour
from gallery.imaging.formats import PNG
from gallery.imaging.metadata import names_adobe_rgb
from gallery.imaging.profiles import adobe_rgb_profile
from gallery.imaging.source import OpenedImage
from gallery.notes import ImageNote


class _Nothing(Enum):
    SAID = 0


# An ICC profile, or the code of a high dynamic range; `None` for sRGB.
NamedColour = bytes | CodedColour | None
_Said = NamedColour | _Nothing


def named_colour(opened: OpenedImage, mode: str) -> tuple[NamedColour, ImageNote | None]:
    """The colour of the decoded picture, which is in `mode`, and a note where numbers that name it are unknown."""
    for source in _PNG_ORDER if opened.source_format == PNG else _ORDER:
        said = source(opened, mode)
        if said is not _Nothing.SAID:
            return said, None
    code = opened.survey.colour
    if code is None or is_srgb(code):
        return None, None
    numbers = f"{code.primaries}/{code.transfer}"
    return None, ImageNote("profile_unusable", f"colour {numbers} of ITU-T H.273 is not known: taken as sRGB")


def _by_number(opened: OpenedImage, _: str) -> _Said:
    code = opened.survey.colour
    if code is None:
        return _Nothing.SAID
    if is_hdr(code):
        return code
    return None if is_srgb(code) else coded_profile(code) or _Nothing.SAID


def _by_profile(opened: OpenedImage, _: str) -> _Said:
    return opened.profile or _Nothing.SAID


def _by_srgb_chunk(opened: OpenedImage, _: str) -> _Said:
    return None if "srgb" in opened.image.info else _Nothing.SAID


def _by_gamma(opened: OpenedImage, _: str) -> _Said:
    info = opened.image.info
    return chunk_profile(info.get("gamma"), info.get("chromaticity")) or _Nothing.SAID


def _by_exif(opened: OpenedImage, mode: str) -> _Said:
    """Cameras that follow DCF name Adobe RGB there."""
    return adobe_rgb_profile() if mode in ("RGB", "RGBA") and names_adobe_rgb(opened.exif) else _Nothing.SAID


# PNG, third edition, 4.3.
_PNG_ORDER: tuple[Callable[[OpenedImage, str], _Said], ...] = (
    _by_number,
    _by_profile,
    _by_srgb_chunk,
    _by_gamma,
    _by_exif,
)
# In HEIC and AVIF a profile comes before numbers (ISO/IEC 23000-22, 7.3.6.4), which converters write without a thought.
_ORDER = (_by_profile, _by_exif, _by_number)
