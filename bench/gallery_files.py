"""The photographs to measure with: made once, all sound and distinct, and kept in the benchmark's own folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.servers import PROJECT
from gallery.client.folder import LocalFile, find_photographs
from gallery.client.progress import progress_on
from gallery.demo.photographs import make_gallery


def bench_home() -> Path:
    """The folder of photographs and servers: BENCH_HOME, else `.gallery/bench` in the checkout."""
    return Path(os.environ.get("BENCH_HOME") or PROJECT / ".gallery" / "bench").absolute()


def photographs(home: Path, images: int, megapixels: float) -> Sequence[LocalFile]:
    """So many photographs of this size, those of an earlier run where they are there. Raises `GalleryError`."""
    folder = home / "photographs" / f"{images}-images-of-{megapixels:g}-megapixels"
    with progress_on(quiet=not sys.stderr.isatty()) as progress:
        progress.step("making photographs", images, "images")
        # Every one sound: a variant that does less for a broken one would look faster.
        make_gallery(folder, images, megapixels, faults=False, progress=lambda done, _: progress.advance(done))
    return find_photographs(folder).files
