"""Colour: every mode and profile that a file may have, brought to sRGB in RGB or RGBA."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageChops, ImageCms, ImageMath

from gallery.imaging.containers.survey import Survey
from gallery.imaging.profiles import srgb_profile
from gallery.notes import ImageNote

# As photo editors convert by default: colours within both gamuts stay, black stays black.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_PROFILE_SPACES = {"RGB": "RGB ", "RGBA": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
MAX_PROFILE_BYTES = 16 * 1024 * 1024  # the largest printing profiles have a few MiB

WORKING_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
_SIXTEEN_BITS = frozenset({"I;16", "I;16B", "I;16L"})


def to_working_mode(image: Image.Image, survey: Survey) -> Image.Image:
    """Bring `image` to a mode that can be resampled: L, LA, RGB, RGBA or CMYK, 8 bits, transparency as alpha."""
    transparent = image.info.get("transparency")
    if image.mode in _SIXTEEN_BITS:
        return _from_sixteen_bits(image, survey, transparent)
    if image.mode in ("P", "PA"):
        return image.convert("RGB" if transparent is None and image.mode == "P" else "RGBA")
    if image.mode == "1":
        return image.convert("L" if transparent is None else "LA")
    if transparent is not None and image.mode in ("L", "RGB"):
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in ("La", "RGBa"):
        return image.convert(image.mode.upper())
    return image if image.mode in WORKING_MODES else image.convert("RGB")


def _from_sixteen_bits(image: Image.Image, survey: Survey, transparent: object) -> Image.Image:
    """Scaled, not clipped: white becomes 255."""
    wide = image.convert("I")
    factor = 255 / survey.white
    if survey.inverted:
        grey = wide.point(lambda value: value * -factor + 255.5).convert("L")
    else:
        grey = wide.point(lambda value: value * factor + 0.5).convert("L")
    if isinstance(transparent, int):
        mask = ImageMath.lambda_eval(lambda args: args["convert"]((args["im"] != transparent) * 255, "L"), im=wide)
        grey.putalpha(mask)
    return grey


def with_wide_key_as_alpha(high: Image.Image, low: Image.Image, key: Sequence[int]) -> Image.Image:
    """A picture whose transparent colour has 16 bits per sample, from its high and its low bytes (both RGB)."""
    opaque = Image.new("L", high.size)
    for picture, shift in ((low, 0), (high, 8)):
        for channel, part in zip(picture.split(), key, strict=True):
            byte = part >> shift & 255
            opaque = ImageChops.lighter(opaque, channel.point([255 * (value != byte) for value in range(256)]))
    high.putalpha(opaque)
    return high


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, ImageNote | None]:
    """Convert `image` (in a working mode) to sRGB, RGB or RGBA, by its embedded ICC `profile`.

    Without a profile, or with a broken one, RGB and grey count as sRGB and CMYK is converted by formula;
    the second value then says so where colours may be off, else it is `None`.
    """
    if image.mode == "LA":
        colour, note = to_srgb(image.getchannel("L"), profile)
        colour.putalpha(image.getchannel("A"))
        return colour, note
    if profile is None:
        note = ImageNote("colours_approximate", "CMYK without a profile: colours are approximate")
        return _by_formula(image), note if image.mode == "CMYK" else None
    try:
        if image.mode == "L" and profile[16:20] == b"RGB ":  # editors leave it there when they drop the colour
            image = image.convert("RGB")
        transform = _transform(profile, image.mode)
        return (_by_formula(image) if transform is None else transform.apply(image)), None
    except (ImageCms.PyCMSError, ValueError, OSError) as error:
        taken_as = "by formula" if image.mode == "CMYK" else "as sRGB"
        # PostgreSQL refuses NUL, terminals obey other controls: what a file says may hold both.
        problem = "".join(sign for sign in str(error) if sign.isprintable())
        return _by_formula(image), ImageNote(
            "profile_unusable", f"ICC profile not usable ({problem}): taken {taken_as}"
        )


def _by_formula(image: Image.Image) -> Image.Image:
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB, `None` where it would change nothing; a gallery shares one or two profiles."""
    if len(profile) > MAX_PROFILE_BYTES:
        raise ValueError(f"it has {len(profile)} bytes")
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if source.profile.xcolor_space != _PROFILE_SPACES[mode]:
        raise ValueError(f"it is for {source.profile.xcolor_space.strip()}, the picture is {mode}")
    target = ImageCms.ImageCmsProfile(BytesIO(srgb_profile()))
    output = "RGBA" if mode == "RGBA" else "RGB"
    transform = ImageCms.buildTransform(source, target, mode, output, _INTENT, _FLAGS)
    return None if mode in ("RGB", "RGBA") and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Most profiles are some edition of sRGB: found out by trying, on a cube of 17 x 17 x 17 colours."""
    steps = [min(255, step * 16) for step in range(17)]
    cube = Image.new("RGB", (17 * 17, 17))
    cube.putdata([(r, g, b) for r in steps for g in steps for b in steps])
    before = cube.convert(mode).tobytes()
    after = transform.apply(cube.convert(mode)).tobytes()
    return all(abs(x - y) <= 1 for x, y in zip(before, after, strict=True))
