"""Memory stays within the budget: every image waits until its estimate fits, and the estimates hold."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe, Style
from gallery.imaging.render import render
from tests.imaging import planted
from tests.imaging.pictures import DATA, plain_recipe, quarters, reason_of

MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def _write_png(path: Path, width: int, height: int, colour_type: int) -> None:
    """A picture of any size, row by row, without ever holding it."""
    rows, packer = 64, zlib.compressobj(1)
    row = b"\0" + bytes(range(256)) * (width * (3 if colour_type == 2 else 4) // 256 + 1)
    row = row[: 1 + width * (3 if colour_type == 2 else 4)]
    parts = [packer.compress(row * min(rows, height - at)) for at in range(0, height, rows)] + [packer.flush()]
    chunks = [(b"IHDR", struct.pack(">II5B", width, height, 8, colour_type, 0, 0, 0))]
    chunks += [(b"IDAT", b"".join(parts)), (b"IEND", b"")]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def _peak_bytes(pid: int) -> int:
    """The most that a process ever held resident (proc(5), VmHWM)."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


def _report(pool: DecoderPool, folder: Path) -> dict[str, int]:
    (folder / "report.jpg").touch()
    facts: dict[str, int] = json.loads(pool.render(folder / "report.jpg", folder).source_format)
    return facts


def test_a_200_megapixel_file_and_a_hundred_thumbnails_stay_within_the_budget(tmp_path: Path) -> None:
    budget = 1024 * MIB
    _write_png(tmp_path / "huge.png", 20_000, 9_990, 2)
    quarters(320, 213).save(tmp_path / "thumb.jpg")
    recipe = plain_recipe(1024, 320)
    # Of this process, there may be the servers that other tests have started, too.
    others = set(psutil.Process().children())
    with DecoderPool(2, recipe, Limits(), budget, renderer=planted.faulty_render) as pool:
        base = _report(pool, tmp_path)["peak"]
        with ThreadPoolExecutor(8) as threads:
            files = ["thumb.jpg"] * 50 + ["huge.png"] + ["thumb.jpg"] * 50
            made = list(threads.map(lambda name: pool.render(tmp_path / name, tmp_path), files))
        peaks = [_peak_bytes(child.pid) for child in set(psutil.Process().children()) - others]
    assert [one.width for one in made] == [320] * 50 + [20_000] + [320] * 50
    # Both children's peaks together, though they need not have been at once.
    assert sum(peak - base for peak in peaks) <= budget
    assert max(peaks) > 500 * MIB  # the file was really decoded


def test_what_cannot_fit_alone_has_too_many_pixels(tmp_path: Path) -> None:
    _write_png(tmp_path / "clear.png", 20_000, 9_990, 6)
    reason, message = reason_of(tmp_path / "clear.png")
    assert (reason, "bytes of memory" in message) == ("too_many_pixels", True)


def _pictures(folder: Path) -> Iterator[Path]:
    """One of six megapixels in every format, with structure enough to keep decoders busy."""
    noise = Image.effect_noise((300, 200), 80).resize((3000, 2000))
    picture = Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_180), noise))
    alpha = picture.copy()
    alpha.putalpha(noise)
    variants = {
        "plain.jpg": (picture, {}),
        "progressive.jpg": (picture, {"progressive": True, "subsampling": 0}),
        "cmyk.jpg": (picture.convert("CMYK"), {}),
        "plain.png": (picture, {"compress_level": 1}),
        "alpha.png": (alpha, {"compress_level": 1}),
        "palette.gif": (picture.quantize(16), {}),
        "sixteen.png": (noise.convert("I;16"), {"compress_level": 1}),
        "plain.webp": (picture, {"method": 0}),
        "alpha.webp": (alpha, {"method": 0}),
        "raw.tif": (picture, {}),
        "lzw.tif": (picture, {"compression": "tiff_lzw"}),
        "plain.avif": (picture, {"speed": 10, "quality": 1}),
    }
    for name, (image, options) in variants.items():
        image.save(folder / name, **options)  # type: ignore[arg-type]
        yield folder / name


def test_no_format_takes_more_than_its_estimate(tmp_path: Path) -> None:
    # An AVIF of 1500 pixels takes seconds to encode.
    sides = {"jpeg": 1500, "webp": 1500, "avif": 1000}
    styles = [Style(name, side, side, format=name) for name, side in sides.items()]  # type: ignore[arg-type]
    for style in styles:
        recipe = Recipe((style,))
        pictures = list(_pictures(tmp_path)) if style is styles[0] else [tmp_path / "plain.jpg", tmp_path / "alpha.png"]
        for path in pictures:
            with pytest.raises(NeedsMoreMemory) as needs:
                render(path, tmp_path, recipe, Limits(), memory_granted=0)
            # A pool of its own for each: what a process once had stays in its peak.
            with DecoderPool(1, recipe, Limits(), 1024 * MIB, renderer=planted.faulty_render) as pool:
                base = _report(pool, tmp_path)
                pool.render(path, tmp_path)
                taken = _peak_bytes(base["pid"]) - base["peak"]
            assert taken <= needs.value.bytes + 16 * MIB, f"{path.name} as {style.name}"


def test_the_decoded_picture_is_gone_before_the_renditions_are_there(tmp_path: Path) -> None:
    quarters(9000, 6000).save(tmp_path / "large.jpg")
    recipe = plain_recipe(4000, 320)
    with DecoderPool(1, recipe, Limits(), 1024 * MIB, renderer=planted.faulty_render) as pool:
        base = _report(pool, tmp_path)
        assert pool.render(tmp_path / "large.jpg", tmp_path).renditions[0].height == 2667
        taken = _peak_bytes(base["pid"]) - base["peak"]
    # Decoded at half scale, resampled across; resampled down it would be 41 MiB more.
    assert taken <= 4 * (4500 * 3000 + 4000 * 3000) + 16 * MIB


def test_memory_hunger_meets_a_wall_long_before_the_machines_end(tmp_path: Path) -> None:
    quarters(64, 48).save(tmp_path / "hunger.jpg")
    with DecoderPool(1, plain_recipe(), Limits(), 64 * MIB, renderer=planted.faulty_render) as pool:
        base = _report(pool, tmp_path)
        with pytest.raises(RejectedImage, match="out of memory") as caught:
            pool.render(tmp_path / "hunger.jpg", tmp_path)
        assert caught.value.reason == "decoder_failed"
        # What is granted, and the slack for address space that other images only reserve.
        assert _peak_bytes(base["pid"]) - base["peak"] <= (64 + 384) * MIB


def test_a_heic_brings_its_decoder_only_to_the_child_that_meets_one(tmp_path: Path) -> None:
    with DecoderPool(1, plain_recipe(), Limits(), 256 * MIB, renderer=planted.faulty_render) as pool:
        before = pool.render(_touched(tmp_path), tmp_path).source_format
        assert pool.render(DATA / "orientation-1.heic", tmp_path).width == 128
        after = pool.render(_touched(tmp_path), tmp_path).source_format
    assert "pillow_heif" not in json.loads(before)["modules"]
    assert "pillow_heif" in json.loads(after)["modules"]
    assert "pillow_heif" not in _modules_of_pool()


def test_a_decoder_needs_no_settings_and_no_styles_file() -> None:
    modules = _modules_of_pool()
    assert "gallery.imaging.recipe" in modules
    assert not {"gallery.settings", "gallery.imaging.styles_file", "PIL", "pydantic", "tomllib"} & modules


def _touched(folder: Path) -> Path:
    (folder / "report.jpg").touch()
    return folder / "report.jpg"


def _modules_of_pool() -> set[str]:
    """What a fresh interpreter has imported once it can start a pool."""
    import subprocess

    program = "import sys, json, gallery.imaging.pool; print(json.dumps(sorted(sys.modules)))"
    # `make coverage` imports more into each process.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))
