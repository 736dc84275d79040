"""Opens a file as far as its header, holds it against the limits, and decodes it once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile, ImagePalette, PngImagePlugin, UnidentifiedImageError

from gallery.errors import RejectedImage
from gallery.imaging.colour import MAX_PROFILE_BYTES
from gallery.imaging.containers import Box, Survey, survey_file
from gallery.imaging.faults import is_disk_fault
from gallery.imaging.formats import AVIF, GIF, HEAD_BYTES, HEIC, JPEG, TIFF, SourceFormat, identify, is_built_in
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.geometry import Size
from gallery.imaging.metadata import orientation_of, read_exif
from gallery.imaging.recipe import Limits
from gallery.imaging.spliced import SplicedFile
from gallery.notes import ImageNote

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Their decoders turn the picture themselves, HEIC's by the container alone, as the standard says.
_TURNED_BY_DECODER = frozenset({TIFF, HEIC})
_SIGNS_OF_TRUNCATION = ("truncated", "buffer is not large enough")  # the latter of uncompressed TIFFs
_LARGEST_TEXTS = 4 * MAX_PROFILE_BYTES  # of one PNG together, unpacked


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """A file whose header has been read and found within the limits; `size` is that after orientation."""

    path: Path
    image: Image.Image
    source_format: SourceFormat
    survey: Survey
    file_bytes: int
    exif: Image.Exif
    orientation: int
    profile: bytes | None
    notes: tuple[ImageNote, ...]
    # What is to be shown of the picture as it comes from the decoder; `None` for all of it.
    clean_aperture: Box | None = None

    @property
    def size(self) -> Size:
        if self.clean_aperture is None:
            return self.oriented(self.image.size)
        left, top, right, bottom = self.clean_aperture
        return self.oriented((right - left, bottom - top))

    def oriented(self, size: Size) -> Size:
        """Swap width and height where the orientation lays the picture on its side; its own inverse."""
        return (size[1], size[0]) if self.orientation >= 5 else size

    @contextmanager
    def again(self) -> Iterator[ImageFile.ImageFile]:
        """The same file, opened another time, for what one decoding cannot tell."""
        with (
            _as_decoders_see_it(self.path, self.survey) as file,
            Image.open(file, formats=[self.source_format.name]) as image,
        ):
            yield image


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[OpenedImage]:
    """Open `path` for decoding. Errors of the decoder within the block become rejections too.

    Raises `RejectedImage` with a reason of `gallery.errors`, and `OSError` where it is the
    disk that fails and not the file.
    """
    source_format, file_bytes = _identify_file(path, limits)
    survey = survey_file(path, source_format)
    if survey.unsupported is not None:
        raise RejectedImage(
            "unsupported_format", f"the file is {survey.unsupported}, which is not supported: export it as JPEG"
        )
    if not is_built_in(source_format.name):
        raise RejectedImage(
            "unsupported_format",
            f"the file is {source_format.name}, which this installation's Pillow was built without: export it as JPEG",
        )
    _check_frames(survey.frames, limits)
    if survey.size is not None:
        _check_size(survey.size, _with_decoders_own(limits) if source_format == AVIF else limits)
    _prepare_decoders(source_format, survey)
    # One decoder only: no other gets to see bytes that were made for it.
    with (
        _rejecting(source_format, survey),
        _as_decoders_see_it(path, survey) as file,
        Image.open(file, formats=[source_format.name]) as image,
    ):
        if source_format == TIFF:
            _prepare_page(image, survey)
        frames = _frames(image, source_format, survey)
        _check_size(image.size, limits)
        _check_frames(frames, limits)
        if not survey.complete:
            raise RejectedImage("truncated", "the file is cut off: its end is missing; upload it again")
        if image.mode in ("I", "F"):
            raise RejectedImage("unsupported_format", "32 bits per sample are not supported: export it with 8 or 16")
        exif = read_exif(image, survey.exif)
        yield OpenedImage(
            path=path,
            image=image,
            source_format=source_format,
            survey=survey,
            file_bytes=file_bytes,
            exif=exif,
            orientation=1 if source_format in _TURNED_BY_DECODER else orientation_of(exif),
            profile=image.info.get("icc_profile"),
            notes=(*_frames_notes(source_format, frames, survey), *_notes_on_faults(image, survey)),
            # Before the picture is turned, as the standard has it. HEIC's decoder does both.
            clean_aperture=survey.clean_aperture if source_format == AVIF else None,
        )


def orient(image: Image.Image, orientation: int) -> Image.Image:
    """Turn the pixels as the EXIF orientation says (CIPA DC-008, 4.6.4.1.E)."""
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _identify_file(path: Path, limits: Limits) -> tuple[SourceFormat, int]:
    if not path.is_file():  # a pipe or device would be read for ever
        raise RejectedImage("not_an_image", "this is not a file" if path.exists() else "there is no such file")
    size = path.stat().st_size
    with path.open("rb") as file:
        source_format = identify(file.read(HEAD_BYTES))
    if size > limits.max_file_bytes:
        raise RejectedImage("too_many_bytes", f"the file has {size:,} bytes; {limits.max_file_bytes:,} are allowed")
    return source_format, size


@contextmanager
def _as_decoders_see_it(path: Path, survey: Survey) -> Iterator[Path | BinaryIO]:
    """The file itself, or what its survey says that decoders are to see in its place."""
    if not survey.parts:
        yield path
        return
    with path.open("rb") as file, io.BufferedReader(SplicedFile(file, survey.parts)) as spliced:
        yield spliced


def _prepare_decoders(source_format: SourceFormat, survey: Survey) -> None:
    """Set the decoders' own limits, all of them module variables that their documentation offers for it."""
    # Of a picture that is known to be damaged, whatever can be read.
    ImageFile.LOAD_TRUNCATED_IMAGES = survey.damage is not None
    # Our own limits decide, from the same header.
    Image.MAX_IMAGE_PIXELS = None
    # Photoshop's XMP may be longer than the 1 MiB that Pillow unpacks by default.
    PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES
    PngImagePlugin.MAX_TEXT_MEMORY = _LARGEST_TEXTS
    if source_format == TIFF:
        from PIL import TiffImagePlugin  # noqa: PLC0415 - not every process meets a TIFF

        TiffImagePlugin.READ_LIBTIFF = survey.for_libtiff
    if source_format == AVIF:
        from PIL import AvifImagePlugin  # noqa: PLC0415 - 10 MB that only AVIF needs

        # There are as many decoder subprocesses as processors; threads would only add memory.
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if source_format == HEIC:
        try:
            from pillow_heif import register_heif_opener  # noqa: PLC0415 - 10 MB that only HEIC needs
        except ImportError as error:
            raise RejectedImage(
                "unsupported_format", "the file is HEIC, which this installation cannot decode: install pillow-heif"
            ) from error
        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _with_decoders_own(limits: Limits) -> Limits:
    """libavif's, which Pillow does not let one change."""
    side, pixels = min(limits.max_side, 32_768), min(limits.max_pixels, 16_384 * 16_384)
    return replace(limits, max_side=side, max_pixels=pixels)


def _prepare_page(image: Image.Image, survey: Survey) -> None:
    """Turn to the page that is to be taken; and read its colours as they are meant, where they have 8 bits."""
    image.seek(survey.page)
    colours = image.tag_v2.get(ExifTags.Base.ColorMap, ()) if image.mode in ("P", "PA") else ()  # type: ignore[attr-defined]
    if colours and max(colours) < 256:  # as libtiff judges; the standard has 16 bits
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))


def _check_size(size: Size, limits: Limits) -> None:
    if max(size) > limits.max_side:
        raise RejectedImage(
            "too_many_pixels", f"a side of {max(size):,} pixels is too long; {limits.max_side:,} are allowed"
        )
    if size[0] * size[1] > limits.max_pixels:
        raise RejectedImage(
            "too_many_pixels",
            f"{size[0]:,} × {size[1]:,} pixels are {size[0] * size[1]:,}; {limits.max_pixels:,} are allowed",
        )


def _check_frames(frames: int, limits: Limits) -> None:
    if frames > limits.max_frames:
        raise RejectedImage(
            "too_many_frames", f"the file holds {frames:,} pictures; {limits.max_frames:,} are allowed: export one"
        )


def _frames(image: Image.Image, source_format: SourceFormat, survey: Survey) -> int:
    # Pillow would go through all frames of a GIF and all pages of a TIFF to count them, as the survey has done.
    if source_format in (GIF, TIFF):
        return survey.frames
    return int(getattr(image, "n_frames", 1))


def _frames_notes(source_format: SourceFormat, frames: int, survey: Survey) -> tuple[ImageNote, ...]:
    if source_format == TIFF:
        frames = survey.pictures
    # A JPEG's further pictures (MPO) are previews or a second eye, not an animation.
    if frames < 2 or source_format == JPEG:
        return ()
    if source_format == TIFF:
        taken = f"{frames} pages: the first was taken"
    elif source_format == HEIC:
        taken = f"{frames} pictures: the primary one was taken"
    else:
        taken = "animated: the first frame was taken"
    return (ImageNote("one_of_several", taken),)


def _notes_on_faults(image: Image.Image, survey: Survey) -> Iterator[ImageNote]:
    if survey.damage is not None:
        yield ImageNote("damaged", f"the file is damaged: {survey.damage}")
    unusable = survey.unusable_profile
    # Pillow says that there is a profile and none, where it cannot put it together or unpack it.
    if unusable is None and image.info.get("icc_profile", b"") is None:
        unusable = "parts of it are missing or damaged"
    if unusable is not None:
        yield ImageNote("profile_unusable", f"ICC profile not usable ({unusable}): taken without it")


@contextmanager
def _rejecting(source_format: SourceFormat, survey: Survey) -> Iterator[None]:
    """Turn whatever a decoder throws at hostile bytes into a rejection."""
    try:
        yield
    except (RejectedImage, NeedsMoreMemory):
        raise
    except MemoryError as error:
        raise RejectedImage("decoder_failed", "decoding ran out of memory") from error
    except Exception as error:
        if is_disk_fault(error):
            raise
        raise _rejection(error, source_format, survey) from error


def _rejection(error: Exception, source_format: SourceFormat, survey: Survey) -> RejectedImage:
    name, message = source_format.name, str(error) or type(error).__name__
    if "MAX_TEXT_" in message:
        return RejectedImage("too_many_bytes", "a text or colour profile that the PNG holds is too large when unpacked")
    if not survey.complete or any(sign in message.lower() for sign in _SIGNS_OF_TRUNCATION):
        return RejectedImage("truncated", "the file is cut off: its end is missing; upload it again")
    if survey.rare_kind is not None and (source_format != TIFF or _is_about_layout(error, survey)):
        return RejectedImage(
            "unsupported_format", f"the file is {survey.rare_kind}, which is not supported: export it as JPEG"
        )
    if isinstance(error, UnidentifiedImageError):
        message = "its header cannot be read"  # Pillow's message names the path, and no cause
    printable = "".join(sign for sign in message if sign.isprintable())
    return RejectedImage("decoder_failed", f"the {name} data is damaged: {printable}")


def _is_about_layout(error: Exception, survey: Survey) -> bool:
    """Whether Pillow knows no way to read such a TIFF, and nothing is wrong with the file."""
    unknown = isinstance(error, UnidentifiedImageError) or "unknown raw mode" in str(error)
    return unknown and all(survey.size or (0,))
