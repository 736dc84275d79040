"""Renders a folder of test images and writes what became of each, one line a file: name, outcome, reason, size.

The folder is `Tests/images` of Pillow's source distribution, which is too large to keep here:

    pip download --no-binary :all: --no-deps pillow==13.0.0 && tar xzf pillow-13.0.0.tar.gz
    python tests/imaging/corpus.py pillow-13.0.0/Tests/images > tests/imaging/data/corpus.txt

It holds the files that once crashed Pillow's decoders or kept them busy for ever.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gallery.imaging.process import process_files
from gallery.imaging.recipe import Limits, Recipe, Style

MEMORY_BUDGET = 512 * 1024 * 1024


def outcomes(folder: Path) -> Iterator[str]:
    """A line for every file below `folder`, in the order of names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    recipe = Recipe((Style("small", 128, 128),))
    with tempfile.TemporaryDirectory() as out:
        done = process_files(
            files,
            Path(out),
            recipe,
            Limits(max_memory_bytes=MEMORY_BUDGET),
            processors=2,
            memory_budget=MEMORY_BUDGET,
            timeout_seconds=20,
        )
        for one in done:
            size = f"{one.width}x{one.height}" if one.outcome == "ok" else "-"
            yield "\t".join((one.file.relative_to(folder).as_posix(), one.outcome, one.reason or "-", size))


if __name__ == "__main__":
    for line in outcomes(Path(sys.argv[1])):
        print(line)  # noqa: T201 - its purpose
