"""Pillow-SIMD makes the same pictures as Pillow's wheel, within what nobody can see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

PROJECT = Path(__file__).resolve().parents[2]
PILLOW_SIMD = PROJECT / ".pillow-simd"
# Of 255, in any channel of any pixel, and on the mean of a rendition's. Measured: 2, and 0.001 to 0.084.
MOST, MOST_ON_THE_MEAN = 3, 0.1
STYLES = """
[styles.large]
width = 2048
height = 2048
format = "png"
watermark = true

[styles.medium]
width = 1024
height = 1024
format = "png"
watermark = true

[styles.thumb]
width = 320
height = 320
format = "png"
sharpening = 50
"""


def renditions(photograph: Path, folder: Path, *python_path: Path) -> dict[str, Image.Image]:
    folder.mkdir()
    (folder / "styles.toml").write_text(STYLES)
    path = os.pathsep.join(map(str, [*python_path, PROJECT]))
    subprocess.run(
        [sys.executable, "-m", "gallery.cli", "process", str(photograph), "--out", str(folder)],
        env={**os.environ, "PYTHONPATH": path, "GALLERY_STYLES_FILE": str(folder / "styles.toml")},
        check=True,
        capture_output=True,
    )
    return {path.name: Image.open(path).convert("RGB") for path in sorted(folder.rglob("*.png"))}


@pytest.mark.skipif(not PILLOW_SIMD.is_dir(), reason="Pillow-SIMD is not compiled here: make simd")
def test_renditions_are_those_of_pillows_wheel(photograph: Path, tmp_path: Path) -> None:
    ours = renditions(photograph, tmp_path / "wheel")
    theirs = renditions(photograph, tmp_path / "simd", PILLOW_SIMD)
    assert set(ours) == set(theirs) == {"large.png", "medium.png", "thumb.png"}
    for name, picture in ours.items():
        assert picture.size == theirs[name].size
        histogram = ImageChops.difference(picture, theirs[name]).histogram()
        counts = [sum(histogram[value::256]) for value in range(256)]
        largest = max(value for value, count in enumerate(counts) if count)
        mean = sum(value * count for value, count in enumerate(counts)) / sum(counts)
        assert (largest <= MOST, mean <= MOST_ON_THE_MEAN) == (True, True), f"{name}: {largest}, {mean:.4f}"


@pytest.mark.skipif(not PILLOW_SIMD.is_dir(), reason="Pillow-SIMD is not compiled here: make simd")
def test_it_is_pillow_simd_that_is_compared() -> None:
    version = subprocess.run(
        [sys.executable, "-c", "import PIL; print(PIL.__version__)"],
        env={**os.environ, "PYTHONPATH": str(PILLOW_SIMD)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (pinned,) = [
        line.split("==")[1].split()[0]
        for line in (PROJECT / "requirements/pillow-simd.txt").read_text().splitlines()
        if line.startswith("pillow-simd==")
    ]
    assert version == pinned
