"""What `make corpus` compares, and what it takes for a disagreement."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.conftest import PROJECT
from tests.imaging.conftest import PHOTOS
from tests.imaging.pictures import quarters


def test_a_folder_is_compared_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    photo = (PHOTOS / "friends.jpg").read_bytes()
    (folder / "below" / "photo.jpg").write_bytes(photo)
    (folder / "text.jpg").write_bytes(b"no image")
    # Where a JPEG has no profile, its pixels are the same to all; a cut one is rejected here and shown by libvips.
    (folder / "cut.jpg").write_bytes(photo[: len(photo) // 2])
    exif = Image.Exif()
    exif[0x0112] = 6
    quarters(640, 400).save(folder / "turned.png", exif=exif)
    command = [sys.executable, "-m", "bench.corpus", str(folder), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    with (tmp_path / "out" / "corpus.csv").open(encoding="utf-8") as table:
        rows = {row["file"]: row for row in csv.DictReader(table)}
    assert set(rows) == {"below/photo.jpg", "text.jpg", "cut.jpg", "turned.png"}
    assert rows["below/photo.jpg"]["size"] == rows["below/photo.jpg"]["libvips"]
    assert float(rows["below/photo.jpg"]["difference"]) < 2
    assert (rows["turned.png"]["size"], rows["turned.png"]["libvips"]) == ("400x640", "400x640")
    assert rows["text.jpg"]["reason"] == "not_an_image"
    assert rows["cut.jpg"]["reason"] == "truncated"
    assert all(int(row["megabytes"]) > 20 for row in rows.values())
    assert done.stdout.splitlines()[-1].startswith("4 files: 1 are not as libvips has them")
