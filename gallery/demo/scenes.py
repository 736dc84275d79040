"""Draws what the demonstration's camera saw: plausible photographs, quickly, with Pillow alone.

A scene is rendered once, somewhat larger than a frame; each photograph is another crop and exposure of it
with a balloon and its own number in it, so that no two decode to the same pixels. Detail falls off with
frequency and there is sensor noise on top, as in photographs, so that decoding and encoding cost what they
do there. Sizes are in pixels.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

Size = tuple[int, int]
Colour = tuple[int, int, int]

# A scene is larger than its frames by 1/MARGIN in each direction: room for another crop each time.
MARGIN = 12
# Share of the noise in the blend: 4 levels of standard deviation, a good camera at a middling ISO value.
SENSOR_NOISE = 0.05
NOISE_STRIP = 256
# Cells of the noise in pixels, and the strength of each against the one before it.
CLOUD_CELLS, GROUND_CELLS = (256, 128, 64, 32, 16, 8), (256, 128, 64, 32, 16, 8, 4, 2)
PERSISTENCE = 0.75


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one scene: sky at the top and at the horizon, clouds, and the ground's range."""

    zenith: Colour
    horizon: Colour
    cloud: Colour
    shade: Colour
    light: Colour


PALETTES = (
    Palette((38, 92, 178), (190, 215, 238), (250, 250, 252), (28, 52, 18), (142, 168, 74)),  # meadow
    Palette((44, 38, 92), (246, 146, 78), (255, 196, 150), (30, 20, 26), (142, 84, 60)),  # sunset
    Palette((70, 140, 200), (226, 238, 244), (255, 255, 255), (8, 52, 82), (86, 168, 186)),  # sea
    Palette((120, 150, 176), (232, 232, 226), (246, 246, 244), (72, 60, 44), (226, 208, 170)),  # dunes
    Palette((14, 22, 52), (84, 92, 132), (120, 124, 158), (8, 12, 20), (66, 78, 92)),  # night
    Palette((92, 110, 128), (206, 204, 196), (232, 230, 226), (20, 34, 30), (98, 122, 84)),  # forest in mist
)


def scene_size(frame: Size) -> Size:
    """Size of the scene that frames of this size are cut from."""
    return frame[0] + frame[0] // MARGIN, frame[1] + frame[1] // MARGIN


def render_scene(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    """A landscape with sky up and ground down: half a second for 14 megapixels."""
    scene = _sky((size[0] // 4, size[1] // 4), palette, rng).resize(size, Image.Resampling.BICUBIC)
    texture = _fractal(size, GROUND_CELLS, rng)
    texture = ImageOps.autocontrast(texture, cutoff=1)
    scene.paste(ImageOps.colorize(texture, palette.shade, palette.light), (0, 0), _hills(size, rng))
    _bokeh(scene, palette, rng)
    _add_noise(scene, rng)
    return scene


def take_photograph(scene: Image.Image, frame: Size, number: int, rng: random.Random) -> Image.Image:
    """Photograph `number` of a scene; a frame taller than wide is cut upright and enlarged to its size."""
    width, height = min(frame[0], scene.width), min(frame[1], scene.height)
    if frame[1] > frame[0]:
        height = scene.height * (MARGIN - 1) // MARGIN
        width = height * frame[0] // frame[1]
    left, top = rng.randint(0, scene.width - width), rng.randint(0, scene.height - height)
    photograph = scene.crop((left, top, left + width, top + height))
    if photograph.size != frame:
        photograph = photograph.resize(frame, Image.Resampling.BICUBIC)
    exposure = rng.uniform(0.85, 1.12)
    photograph = photograph.point([min(255, round(exposure * v)) for v in range(256)] * 3)
    _balloon(photograph, number, rng)
    return photograph


def _sky(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    gradient = ImageOps.colorize(Image.linear_gradient("L"), palette.zenith, palette.horizon)
    sky = gradient.resize(size, Image.Resampling.BILINEAR)
    clouds = ImageOps.autocontrast(_fractal(size, CLOUD_CELLS, rng), cutoff=1)
    sky.paste(palette.cloud, (0, 0), clouds.point([max(0, min(255, 2 * (v - 110))) for v in range(256)]))
    return sky


def _add_noise(scene: Image.Image, rng: random.Random) -> None:
    """Noise in every pixel and channel; in strips, so that the memory it takes is small."""
    for top in range(0, scene.height, NOISE_STRIP):
        strip = scene.crop((0, top, scene.width, min(top + NOISE_STRIP, scene.height)))
        noise = Image.frombytes("RGB", strip.size, rng.randbytes(3 * strip.width * strip.height))
        scene.paste(Image.blend(strip, noise, SENSOR_NOISE), (0, top))


def _fractal(size: Size, cells: tuple[int, ...], rng: random.Random) -> Image.Image:
    """Grey clouds: noise of ever smaller cells (pixels), each weaker than the one before it."""
    picture, share, total = Image.new("L", (1, 1)), 1.0, 0.0
    for cell in cells:
        # Enlarged from octave to octave, which costs a third of enlarging each to the full size.
        small = (max(4, size[0] // cell), max(4, size[1] // cell))
        octave = Image.frombytes("L", small, rng.randbytes(small[0] * small[1]))
        total += share
        picture = Image.blend(picture.resize(small, Image.Resampling.BICUBIC), octave, share / total)
        share *= PERSISTENCE
    return picture.resize(size, Image.Resampling.BICUBIC)


def _hills(size: Size, rng: random.Random) -> Image.Image:
    """Mask of the ground: everything below a horizon of random height, drawn small and enlarged."""
    columns = 33
    heights = [0.58]
    for _ in range(columns - 1):
        heights.append(min(0.75, max(0.42, heights[-1] + rng.uniform(-0.04, 0.04))))
    small = (size[0] // 4 or 1, size[1] // 4 or 1)
    mask = Image.new("L", small)
    line = [(small[0] * i / (columns - 1), small[1] * height) for i, height in enumerate(heights)]
    ImageDraw.Draw(mask).polygon([*line, (small[0], small[1]), (0, small[1])], fill=255)
    return mask.resize(size, Image.Resampling.BICUBIC)


def _bokeh(scene: Image.Image, palette: Palette, rng: random.Random) -> None:
    """Out-of-focus lights in the foreground."""
    for _ in range(7):
        side = scene.height // rng.randint(8, 16)
        disc = Image.new("L", (64, 64))
        ImageDraw.Draw(disc).ellipse((10, 10, 53, 53), fill=rng.randint(70, 150))
        disc = disc.filter(ImageFilter.GaussianBlur(3)).resize((side, side), Image.Resampling.BICUBIC)
        place = rng.randint(0, scene.width - side), rng.randint(scene.height * 2 // 3, scene.height - side)
        scene.paste(palette.horizon, place, disc)


def _balloon(photograph: Image.Image, number: int, rng: random.Random) -> None:
    """A balloon in the sky, its basket below it, with the number on it: says which photograph, which way up."""
    radius = min(photograph.size) // 9
    x = rng.randint(2 * radius, photograph.width - 2 * radius)
    y = rng.randint(2 * radius, max(2 * radius, photograph.height // 3))
    colour = tuple(rng.randint(120, 250) if channel == number % 3 else rng.randint(20, 110) for channel in range(3))
    draw = ImageDraw.Draw(photograph)
    draw.line((x - radius // 2, y + radius // 2, x, y + 2 * radius), fill=(60, 50, 40), width=radius // 24 + 1)
    draw.line((x + radius // 2, y + radius // 2, x, y + 2 * radius), fill=(60, 50, 40), width=radius // 24 + 1)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    basket = radius // 5
    draw.rectangle((x - basket, y + 2 * radius - basket, x + basket, y + 2 * radius), fill=(96, 66, 36))
    font = ImageFont.load_default(max(8, radius // 2))
    draw.text((x, y), f"{number:04d}", fill=(255, 255, 255), font=font, anchor="mm")
