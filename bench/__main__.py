"""Measures this pipeline beside other ways to do the same work: `python -m bench --images 24 --json`.

All variants run in one call over the same photographs and servers, one after the other, and all of them again for
each repetition, so that whatever else the machine does meets them alike. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.celery_peer import LeftOut, python_with_celery, with_redis
from bench.gallery_files import bench_home, photographs
from bench.peers import pipeline
from bench.plot import draw
from bench.results import Measured, Results
from bench.runs import measure, observe_program
from bench.servers import Servers, running_servers
from bench.staging import fresh_gallery_id, send, stage
from bench.table import print_table
from gallery.client.api import GalleryClient
from gallery.client.folder import LocalFile
from gallery.errors import GalleryError

VARIANTS = ("pipeline", "bare_loop", "former_way", "naive_prefect", "celery")


def main() -> None:
    options = _options()
    try:
        results = run(bench_home(), options.images, options.megapixels, options.repeats, options.variants).to_json()
    except (GalleryError, TimeoutError) as error:
        raise SystemExit(f"bench: {error}") from None
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        draw(results, options.out)
    if options.json:
        print(json.dumps(results))
    else:
        print_table(results, Console(width=None if sys.stdout.isatty() else 160))


def run(home: Path, images: int, megapixels: float, repeats: int, variants: Sequence[str]) -> Results:
    """Make the photographs, start the servers, and measure every variant `repeats` times, taking turns."""
    files = photographs(home, images, megapixels)
    runs: dict[str, list[Measured]] = {variant: [] for variant in variants}
    with running_servers(home) as servers, ExitStack() as peers:
        places = {variant: Place(servers) for variant in variants}
        left_out: dict[str, str] = {}
        if "celery" in variants:
            try:
                python = python_with_celery(home)
                places["celery"] = Place(peers.enter_context(with_redis(servers, python)), python)
            except LeftOut as why:
                left_out["celery"] = str(why)
                _say(f"celery is left out: {why}")
                del places["celery"], runs["celery"]
        for repeat in range(1, repeats + 1):
            for variant, place in places.items():
                measured = run_variant(place, variant, files)
                runs[variant].append(measured)
                _say(f"{variant}, {repeat} of {repeats}: {measured.figures['images_per_second']:.2f} images/s")
    return Results(images, megapixels, runs, left_out)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variant runs: with which servers, and which interpreter."""

    servers: Servers
    python: Path = Path(sys.executable)


def run_variant(place: Place, variant: str, files: Sequence[LocalFile]) -> Measured:
    """Stage the photographs as a gallery of their own and measure one run over them."""
    servers, gallery_id = place.servers, fresh_gallery_id(variant)
    if variant == "pipeline":
        with GalleryClient(servers.info.api_url, servers.info.api_key) as client:
            staged = send(client, files, gallery_id)
            return measure(servers, staged, len(files), lambda: pipeline.observe(servers, client, staged))
    staged = stage(servers, files, gallery_id)
    module = f"bench.peers.{variant}"
    return measure(servers, staged, len(files), lambda: observe_program(servers, module, staged, place.python))


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--images", type=_positive, default=48, help="photographs of the gallery (default: 48)")
    parser.add_argument("--megapixels", type=float, default=24.0, help="of each photograph (default: 24)")
    parser.add_argument("--repeats", type=_positive, default=3, help="runs of each variant (default: 3)")
    parser.add_argument("--variants", type=_variants, default=VARIANTS, help=f"of {','.join(VARIANTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write results.json, bench.svg and bench.png there, too"
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _variants(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(VARIANTS)}")
    return names


if __name__ == "__main__":
    main()
