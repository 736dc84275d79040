"""Runs a folder of any images through the process stage, and compares what comes of each with libvips and exiftool.

    python -m bench.corpus FOLDER --out RESULTS      # or: make corpus DIR=FOLDER

`RESULTS/corpus.csv` has a row a file, `RESULTS/disagreements.jpg` both pictures of each file whose size or pixels are
not the same, ours on the left. What libvips cannot open, or makes of a damaged file, is no judgement: a person looks.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image, ImageChops, ImageDraw, ImageStat

from gallery.errors import RejectedImage
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe, Style
from gallery.notes import notes_in

SIDE = 256  # pixels; what is compared
RECIPE = Recipe((Style("compared", SIDE, SIDE, format="png"),))
MEMORY_BUDGET = 1024 * 1024 * 1024
# Levels of 255 by which two pictures may differ on average: other ways to resample, and to convert colours.
MOST_DIFFERENCE = 4.0
COLUMNS = ("file", "outcome", "reason", "notes", "size", "libvips", "difference", "metadata", "seconds", "megabytes")
# What we call it, and how exiftool's `-n` does, the first that is there.
FACTS: Mapping[str, tuple[str, ...]] = {
    "camera_make": ("Make",),
    "camera_model": ("Model",),
    "artist": ("Artist", "By-line", "Creator"),
    "copyright": ("Copyright", "CopyrightNotice", "Rights"),
    "iso": ("ISO",),
    "f_number": ("FNumber",),
    "captured_at": ("DateTimeOriginal", "CreateDate", "ModifyDate"),
}


@dataclass(slots=True)
class Compared:
    """The results of one file, ours and those of the other programs; sizes in pixels, upright."""

    file: str
    outcome: str = "ok"
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    libvips: tuple[int, int] | str = ""
    difference: float | None = None
    metadata: list[str] = field(default_factory=list)
    seconds: float = 0.0
    megabytes: int = 0
    pictures: tuple[Image.Image, Image.Image] | None = None

    @property
    def disagrees(self) -> bool:
        """Whether size or pixels are not those of libvips; another outcome counts as well."""
        if self.size is None or not isinstance(self.libvips, tuple):
            return (self.size is None) != (not isinstance(self.libvips, tuple))
        return self.size != self.libvips or (self.difference or 0) > MOST_DIFFERENCE

    def row(self) -> dict[str, object]:
        """For the table."""
        values = {name: getattr(self, name) for name in COLUMNS}
        for name in ("size", "libvips"):
            values[name] = "x".join(map(str, values[name])) if isinstance(values[name], tuple) else values[name]
        difference = "" if self.difference is None else f"{self.difference:.1f}"
        told = {"notes": " ".join(self.notes), "metadata": "; ".join(self.metadata), "seconds": f"{self.seconds:.2f}"}
        return {**values, **told, "difference": difference}


def compare(files: Iterable[Path], folder: Path) -> Iterator[Compared]:
    """Compare each file, one after the other: time and memory are its own."""
    with tempfile.TemporaryDirectory() as out, DecoderPool(1, RECIPE, Limits(), MEMORY_BUDGET) as pool:
        pool.warm_up(1)
        for file in files:
            yield _compare(pool, file, file.relative_to(folder).as_posix(), Path(out))


def _compare(pool: DecoderPool, file: Path, name: str, out: Path) -> Compared:
    found = Compared(name)
    metadata: Mapping[str, Any] = {}
    _forget_peak()
    begun = time.perf_counter()
    try:
        made = pool.render(file, out)
        found.size, metadata = (made.width, made.height), made.metadata
        found.notes = list(notes_in(metadata))
    except RejectedImage as rejection:
        found.outcome, found.reason = "rejected", rejection.reason
    found.seconds, found.megabytes = time.perf_counter() - begun, _peak() // 1_000_000
    reference = _by_libvips(file, found)
    if found.size is not None:
        if reference is not None:
            with Image.open(out / "compared.png") as image:
                ours = image.convert("RGB")
            found.pictures = ours, reference
            same_size = reference if reference.size == ours.size else reference.resize(ours.size)
            found.difference = max(ImageStat.Stat(ImageChops.difference(ours, same_size)).mean)
        found.metadata = _other_facts(file, metadata)
    return found


def _by_libvips(file: Path, found: Compared) -> Image.Image | None:
    import pyvips  # noqa: PLC0415 - a reference that only this program needs

    try:
        whole = pyvips.Image.new_from_file(str(file)).autorot()
        found.libvips = (whole.width, whole.height)
        small = pyvips.Image.thumbnail(str(file), SIDE, height=SIDE, size="down", output_profile="srgb")
        small = small.flatten(background=255) if small.hasalpha() else small
        small = small.colourspace("srgb").cast("uchar")[0:3]
        return Image.frombytes("RGB", (small.width, small.height), small.write_to_memory())
    except pyvips.Error as error:
        found.libvips = str(error).strip().splitlines()[-1][:120]
        return None


def _other_facts(file: Path, metadata: Mapping[str, Any]) -> list[str]:
    """In what the metadata differ from what exiftool reads, if it is installed."""
    if shutil.which("exiftool") is None:
        return []
    asked = ["exiftool", "-j", "-n", "-charset", "utf8", str(file.resolve())]
    answer = subprocess.run(asked, capture_output=True, check=False, timeout=60)
    read = json.loads(answer.stdout or b"[{}]")[0]
    differ = []
    for name, tags in FACTS.items():
        theirs = next((read[tag] for tag in tags if read.get(tag) not in (None, "")), None)
        ours = metadata.get(name)
        if _plain(ours) != _plain(theirs):
            differ.append(f"{name} {ours!r}, exiftool {theirs!r}")
    return differ


def _plain(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:g}"
    # 2026:11-29 12:00:00 and 2026-11-29T12:00:00+01:00 are the same moment to a camera.
    return str(value or "").replace("T", " ").replace("-", ":")[:19].strip()


def _decoders() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.is_running()]


def _forget_peak() -> None:
    """Reset the peak that the kernel keeps for each decoder (proc(5), clear_refs)."""
    for process in _decoders():
        with suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """The largest resident size of a decoder since then, in bytes; 0 where nothing tells."""
    peaks = [0]
    for process in _decoders():
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
            peaks += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return max(peaks)


def contact_sheet(found: Iterable[Compared]) -> Image.Image | None:
    """Both pictures of each, ours on the left, with the file's name; `None` where there are none."""
    pairs = [one for one in found if one.pictures]
    if not pairs:
        return None
    across, height = 3, SIDE + 20
    sheet = Image.new("RGB", (across * 2 * (SIDE + 4), -(-len(pairs) // across) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(pairs):
        left, top = number % across * 2 * (SIDE + 4), number // across * height
        for column, picture in enumerate(one.pictures or ()):
            sheet.paste(picture, (left + column * (SIDE + 2), top + 16))
        draw.text((left, top + 2), f"{one.file} {one.difference or 0:.1f}", fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare what the process stage makes of a folder's images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".gallery/corpus"))
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    if not files:
        sys.exit(f"there are no files in {arguments.folder}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept: list[Compared] = []
    with (arguments.out / "corpus.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        for one in compare(files, arguments.folder):
            writer.writerow(one.row())
            if one.disagrees or one.metadata:
                kept.append(one)
                print({name: value for name, value in one.row().items() if value not in ("", None)})
    disagreeing = [one for one in kept if one.disagrees]
    if (sheet := contact_sheet(disagreeing)) is not None:
        sheet.save(arguments.out / "disagreements.jpg")
    print(f"{len(files):,} files: {len(disagreeing):,} are not as libvips has them; see {arguments.out}")


if __name__ == "__main__":
    main()
