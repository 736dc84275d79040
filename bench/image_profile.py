"""Where the CPU time of one image goes: `python -m bench.image_profile --images 12 --json`.

Takes staged photographs through the four stages one after the other, in one thread of one process, with a stopwatch
around each step; what a step spends within another step counts for the inner one only. Prefect, the transport to and
from the decoder subprocesses, and the servers' own time are not in it: `python -m bench` shows those.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from PIL import Image, ImageFile

from bench.gallery_files import bench_home, photographs
from bench.peers.arguments import plan
from bench.peers.bare_loop import ingest
from bench.peers.single_process import begin, open_for
from bench.servers import running_servers
from bench.staging import fresh_gallery_id, stage, take_away
from gallery.imaging import child, picture_steps, render, rendition_steps, source
from gallery.ingest import stages
from gallery.settings import load_settings
from gallery.storage.s3 import Storage

# What is watched, under which name: the first that is met on the way in gets the time, less that of further ones.
STEPS: tuple[tuple[object, str, str], ...] = (
    (ImageFile.ImageFile, "load", "decode"),
    (Image.Image, "resize", "resize"),
    (Image.Image, "save", "encode"),
    (picture_steps, "to_srgb", "colour"),
    (picture_steps, "orient", "orientation"),
    (rendition_steps, "sharpen", "sharpening"),
    (rendition_steps, "draw_watermark", "watermark"),
    (render, "placeholder_of", "placeholder"),
    (render, "read_metadata", "metadata"),
    (render, "rendition_exif", "metadata"),
    (source, "survey_file", "survey of the container"),
    (Storage, "download", "GET from S3, to disk"),
    (Storage, "put", "PUTs to S3"),
    (Storage, "copy_original", "copy within S3"),
    (stages, "save", "SQL of the save"),
    (stages, "process", "the rest of process"),
)


class Stopwatch:
    """CPU seconds of this thread, by step; a step's own, without the steps within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within: list[float] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """The block is a step."""
        began = time.thread_time()
        self._within.append(0.0)
        try:
            yield
        finally:
            spent = time.thread_time() - began
            self.seconds[name] += spent - self._within.pop()
            if self._within:
                self._within[-1] += spent

    def around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """`function`, as a step."""

        def watched(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return function(*arguments, **named)

        return watched

    def sha256(self) -> Any:
        """A hash whose updates are a step."""
        return _WatchedHash(self)


class _WatchedHash:
    def __init__(self, watch: Stopwatch) -> None:
        self._hash = hashlib.new("sha256")
        self.update = watch.around(self._hash.update, "SHA-256")
        self.hexdigest = self._hash.hexdigest


def profile(images: int, megapixels: float) -> dict[str, float]:
    """CPU milliseconds per image, by step, on a stack of the benchmark's own. Raises `GalleryError`."""
    child._keep_freed_memory()
    files = photographs(bench_home(), images, megapixels)
    watch = Stopwatch()
    with running_servers(bench_home()) as servers, patch.dict(os.environ, servers.environment):
        staged = stage(servers, files, fresh_gallery_id("profile"))
        settings = load_settings()
        with open_for(settings, begin(settings, staged.gallery_id, staged.upload_id)) as workspace:
            first, *todo = plan(workspace)
            ingest(workspace, first)  # imports and connections are no image's
            with ExitStack() as patches:
                for owner, name, step in STEPS:
                    patches.enter_context(patch.object(owner, name, watch.around(getattr(owner, name), step)))
                patches.enter_context(patch("gallery.storage.s3.hashlib", SimpleNamespace(sha256=watch.sha256)))
                for entry in todo:
                    with watch.step("everything else"):
                        ingest(workspace, entry)
        take_away(servers, staged.gallery_id)
    by_cost = sorted(watch.seconds.items(), key=lambda item: -item[1])
    return {name: round(1000 * seconds / len(todo), 2) for name, seconds in by_cost}


def main() -> None:
    if "PILLOW_BLOCK_SIZE" not in os.environ:
        # Memory is to be kept as in a decoder subprocess, and Pillow reads how at its import.
        environment = {**os.environ, "PILLOW_BLOCK_SIZE": child._PILLOW_BLOCK_SIZE}
        os.execve(sys.executable, [sys.executable, "-m", "bench.image_profile", *sys.argv[1:]], environment)
    parser = argparse.ArgumentParser(prog="python -m bench.image_profile", description=__doc__)
    parser.add_argument("--images", type=int, default=12, help="photographs; the first is not counted (default: 12)")
    parser.add_argument("--megapixels", type=float, default=24.0, help="of each photograph (default: 24)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    steps = profile(options.images, options.megapixels)
    if options.json:
        print(json.dumps({"megapixels": options.megapixels, "cpu_milliseconds_per_image": steps}))
        return
    for name, milliseconds in {**steps, "in all": sum(steps.values())}.items():
        print(f"{name:<26}{milliseconds:8.1f} ms")


if __name__ == "__main__":
    main()
