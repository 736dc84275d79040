"""Opens a file as far as its header, holds it against the limits, and decodes it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.containers import is_complete, webp_size
from gallery.imaging.formats import HEAD_BYTES, JPEG, WEBP, SourceFormat, identify
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.geometry import Size
from gallery.imaging.metadata import orientation_of
from gallery.imaging.recipe import Limits

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """A file whose header has been read and found within the limits; `size` is that after orientation."""

    image: Image.Image
    source_format: SourceFormat
    file_bytes: int
    exif: Image.Exif
    orientation: int
    profile: bytes | None
    animated: bool

    @property
    def size(self) -> Size:
        return self.oriented(self.image.size)

    def oriented(self, size: Size) -> Size:
        """Swap width and height where the orientation lays the picture on its side; its own inverse."""
        return (size[1], size[0]) if self.orientation >= 5 else size


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[OpenedImage]:
    """Open `path` for decoding. Errors of the decoder within the block become rejections too.

    Raises `RejectedImage` with a reason of `gallery.errors`, and `OSError` where it is the
    disk that fails and not the file.
    """
    source_format, file_bytes = _identify_file(path, limits)
    # Our own limits decide, from the same header.
    Image.MAX_IMAGE_PIXELS = None
    with _rejecting(path, source_format):
        with path.open("rb") as file:
            if source_format == WEBP and (canvas := webp_size(file.read(30))):
                _check_pixels(canvas, limits)
        # One decoder only: no other gets to see bytes that were made for it.
        with Image.open(path, formats=[source_format.name]) as image:
            _check_pixels(image.size, limits)
            if not is_complete(path, source_format):
                raise RejectedImage("truncated", "the file is cut off: its end is missing; upload it again")
            exif = image.getexif()
            yield OpenedImage(
                image=image,
                source_format=source_format,
                file_bytes=file_bytes,
                exif=exif,
                orientation=orientation_of(exif),
                profile=image.info.get("icc_profile"),
                # A JPEG's further pictures (MPO) are previews or a second eye, not an animation.
                animated=source_format != JPEG and bool(getattr(image, "is_animated", False)),
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


def _check_pixels(size: Size, limits: Limits) -> None:
    if size[0] * size[1] > limits.max_pixels:
        raise RejectedImage(
            "too_many_pixels",
            f"{size[0]:,} × {size[1]:,} pixels are {size[0] * size[1]:,}; {limits.max_pixels:,} are allowed",
        )


@contextmanager
def _rejecting(path: Path, source_format: SourceFormat) -> Iterator[None]:
    """Turn whatever a decoder throws at hostile bytes into a rejection."""
    try:
        yield
    except (RejectedImage, NeedsMoreMemory):
        raise
    except MemoryError as error:
        raise RejectedImage("decoder_failed", "decoding ran out of memory") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the file; Pillow's own OSErrors have no number
        if "truncated" in str(error).lower() or not is_complete(path, source_format):
            raise RejectedImage("truncated", f"the file is cut off: {error}; upload it again") from error
        raise RejectedImage(
            "decoder_failed", f"the {source_format.name} data is damaged: {str(error) or type(error).__name__}"
        ) from error
