"""What was measured, of one run and of all, and the JSON that `python -m bench --json` prints."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import PIL

BASE = "bare_loop"


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant's run over one gallery. Seconds; `peak_rss_mb` in MiB (see `bench.measuring.resident_mb`).

    `seconds` is from the begin of the attempt to the last save, `seconds_in_all` from the acceptance of the upload or
    the start of the variant's process, and `seconds_to_first_image` from there to the first save. `cpu_seconds` is by
    process group; `other_load` is what other programs took meanwhile, in processors. `front_door_seconds` is from
    presign to the final status, staging included.
    """

    images: int
    seconds: float
    seconds_in_all: float
    seconds_to_first_image: float
    cpu_seconds: Mapping[str, float]
    peak_rss_mb: float
    other_load: float
    front_door_seconds: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """The numbers to compare, by their names in the JSON."""
        front_door = {} if self.front_door_seconds is None else {"front_door_seconds": self.front_door_seconds}
        return {
            "images_per_second": self.images / self.seconds,
            "cpu_seconds_per_image": sum(self.cpu_seconds.values()) / self.images,
            "peak_rss_mb": self.peak_rss_mb,
            "seconds_to_first_image": self.seconds_to_first_image,
            "seconds_in_all": self.seconds_in_all,
            "other_load": self.other_load,
            **front_door,
        }

    @property
    def cpu_by_process(self) -> dict[str, float]:
        """CPU seconds per image of each process group."""
        return {name: seconds / self.images for name, seconds in self.cpu_seconds.items()}


@dataclass(frozen=True, slots=True)
class Results:
    """All runs: `runs[variant]` has one for each repetition; `left_out[variant]` says why there is none."""

    images: int
    megapixels: float
    runs: Mapping[str, Sequence[Measured]]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Medians over the repetitions, their spread (least and greatest), and throughput against `BASE`."""
        return {
            "images": self.images,
            "megapixels": self.megapixels,
            "pillow": PIL.__version__,  # Pillow-SIMD's ends in .post and a number
            "variants": {name: _variant(runs) for name, runs in self.runs.items()},
            "ratio_to_bare_loop": self._ratios(),
            "left_out": dict(self.left_out),
        }

    def _ratios(self) -> dict[str, float] | None:
        """Images a second by those of the bare loop in the same repetition, the median; `None` without one."""
        if BASE not in self.runs:
            return None
        return {
            name: round(
                statistics.median(base.seconds / run.seconds for run, base in zip(runs, self.runs[BASE], strict=True)),
                3,
            )
            for name, runs in self.runs.items()
        }


def _variant(runs: Sequence[Measured]) -> dict[str, Any]:
    figures = [run.figures for run in runs]
    by_process = [run.cpu_by_process for run in runs]
    return {
        **_medians(figures),
        "cpu_seconds_per_image_by_process": _medians(by_process),
        "spread": {
            name: [round(pick([run[name] for run in figures]), 4) for pick in (min, max)] for name in figures[0]
        },
        "repeats": len(runs),
    }


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 4) for name in runs[0]}
