"""Makes a gallery of distinct, camera-like JPEG photographs, for trying and measuring.

It comes to be beside its folder and is moved there as its last act, with a manifest in it: a folder that
exists is complete, and one with the same parameters is used again.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

from PIL import Image

from gallery.demo.exif import camera_exif
from gallery.demo.scenes import PALETTES, Size, render_scene, scene_size, take_photograph
from gallery.errors import GalleryError

MANIFEST = ".gallery-manifest.json"
# Part of the manifest: raise it whenever the same parameters come to give other files.
MAKER_VERSION = 1
IMAGES_PER_CARD = 500
QUALITY = 93
FEWEST_WITH_FAULTS = 3
# What is not named like this was not made here, whatever a manifest says.
PHOTOGRAPH = re.compile(r"card\d+/IMG_\d{4}\.JPG")


@dataclass(frozen=True)
class _Order:
    """What makes a gallery the same gallery."""

    images: int
    megapixels: float
    seed: int
    faults: bool
    version: int = MAKER_VERSION

    @cached_property
    def frame(self) -> Size:
        """Width and height in pixels, 4:3 up to 16 megapixels and 3:2 above, as cameras have it; even."""
        across, down = (4, 3) if self.megapixels <= 16 else (3, 2)
        unit = (self.megapixels * 1e6 / (across * down)) ** 0.5
        return 2 * round(across * unit / 2), 2 * round(down * unit / 2)


def rotated_position(images: int) -> int | None:
    """Index of the photograph taken with the camera upright (EXIF orientation 6), in a gallery with faults."""
    return images // 3 if images >= FEWEST_WITH_FAULTS else None


def broken_position(images: int) -> int | None:
    """Index of the truncated file in a gallery with faults."""
    return images * 2 // 3 if images >= FEWEST_WITH_FAULTS else None


def photograph_name(index: int) -> str:
    """`card1/IMG_0001.JPG` and so on, numbered through over the cards up to 9999, as cameras do (DCF)."""
    return f"card{index // IMAGES_PER_CARD + 1}/IMG_{index % 9999 + 1:04d}.JPG"


def make_gallery(
    folder: Path,
    images: int,
    megapixels: float = 12,
    *,
    seed: int = 1,
    faults: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Make `images` photographs in `folder` and return their paths in the order they were taken.

    Of 3 images and more, unless `faults` is false, one has EXIF orientation 6 (see `rotated_position`) and
    one is truncated (see `broken_position`); `images` counts both. 12 megapixels are 4000 × 3000, 24 are
    6000 × 4000. `progress` is called with (done, images). The same parameters give the same pixels; a
    folder that holds them already is used as it is, one that was made with others is made anew. Raises
    `GalleryError` where the folder holds anything else, which is never touched.
    """
    if images < 1 or not 0.01 <= megapixels <= 150:
        raise GalleryError("a demo gallery needs at least 1 image, of 0.01 to 150 megapixels")
    order = _Order(images, float(megapixels), seed, faults)
    names = [photograph_name(index) for index in range(images)]
    if not _is_there(folder, order, names):
        try:
            _make(folder, order, names, progress or (lambda done, total: None))
        except OSError as error:
            raise GalleryError(f"cannot make a demo gallery in {folder}: {error.strerror or error}") from error
    return [folder / name for name in names]


def _make(folder: Path, order: _Order, names: list[str], progress: Callable[[int, int], None]) -> None:
    _clear(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # One fixed name, so that what a killed run left is used up by the next one.
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _take_all(partial, order, names, progress)
    _write_manifest(partial, order, names)
    partial.replace(folder)


def _is_there(folder: Path, order: _Order, names: list[str]) -> bool:
    manifest = _read_manifest(folder)
    if manifest is None or manifest.get("order") != asdict(order):
        return False
    sizes = manifest["sizes"]
    return list(sizes) == names and all(_size(folder / name) == size for name, size in sizes.items())


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _read_manifest(folder: Path) -> dict[str, dict[str, int]] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: size for name, size in manifest["sizes"].items() if PHOTOGRAPH.fullmatch(name)}
        return {"order": dict(manifest["order"]), "sizes": sizes}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_manifest(folder: Path, order: _Order, names: list[str]) -> None:
    sizes = {name: (folder / name).stat().st_size for name in names}
    text = json.dumps({"order": asdict(order), "sizes": sizes}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _clear(folder: Path) -> None:
    """Remove what an earlier call made here, and nothing else."""
    manifest = _read_manifest(folder)
    for name in manifest["sizes"] if manifest is not None else ():
        (folder / name).unlink(missing_ok=True)
    if manifest is not None:
        (folder / MANIFEST).unlink()
        for card in sorted({(folder / name).parent for name in manifest["sizes"]}):
            if card.is_dir() and not any(card.iterdir()):
                card.rmdir()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GalleryError(f"{folder} holds something else than a demo gallery: name another folder")


def _take_all(folder: Path, order: _Order, names: list[str], progress: Callable[[int, int], None]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    done = 0
    # Threads: Pillow computes and encodes without the interpreter's lock (measured: two give twice the rate),
    # and they share the scene, which is large.
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="camera") as cameras:
        for scene, indexes in _scenes(order):
            taking = [cameras.submit(_take, folder / names[i], order, scene, i) for i in indexes]
            try:
                for future in as_completed(taking):
                    future.result()
                    done += 1
                    progress(done, order.images)
            except BaseException:
                cameras.shutdown(wait=False, cancel_futures=True)
                raise
            del scene, taking  # before the next one is rendered


def _scenes(order: _Order) -> Iterator[tuple[Image.Image, range]]:
    """One scene after the other, so that one is in memory at a time, with the photographs taken of it."""
    each = -(-order.images // len(PALETTES))
    for number, palette in enumerate(PALETTES):
        if indexes := range(number * each, min((number + 1) * each, order.images)):
            rng = random.Random(f"{order.seed} scene {number}")  # noqa: S311 - no secret
            yield render_scene(scene_size(order.frame), palette, rng), indexes


def _take(path: Path, order: _Order, scene: Image.Image, index: int) -> None:
    rng = random.Random(f"{order.seed} photograph {index}")  # noqa: S311 - no secret
    rotated = order.faults and index == rotated_position(order.images)
    width, height = order.frame
    if rotated:
        # The sensor's rows run up the upright picture; orientation 6 asks to turn them 90° clockwise.
        photograph = take_photograph(scene, (height, width), index + 1, rng)
        photograph = photograph.transpose(Image.Transpose.ROTATE_90)
    else:
        photograph = take_photograph(scene, (width, height), index + 1, rng)
    file = BytesIO()
    exif = camera_exif(index + 1, photograph.size, 6 if rotated else 1, rng)
    photograph.save(file, "JPEG", quality=QUALITY, exif=exif)
    data = file.getbuffer()
    broken = order.faults and index == broken_position(order.images)
    path.write_bytes(data[: len(data) * 3 // 5] if broken else data)
