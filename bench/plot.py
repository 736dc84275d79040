"""The results as a picture: throughput, CPU by process, memory and first image, a bar for each variant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PANELS = (
    ("images_per_second", "images a second (more is better)"),
    ("peak_rss_mb", "peak memory, MiB"),
    ("seconds_to_first_image", "seconds to the first image"),
)


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write `bench.svg` and `bench.png` to `folder`. Needs matplotlib, of the extra `report`."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second, and an extra

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(results["variants"])
    figure, axes = plt.subplots(2, 2, figsize=(11, 6), layout="constrained")
    for axis, (figure_name, title) in zip((axes[0][0], axes[1][0], axes[1][1]), PANELS, strict=True):
        values = [results["variants"][name][figure_name] for name in names]
        spread = [results["variants"][name]["spread"][figure_name] for name in names]
        # A median is within its spread, but for rounding.
        below = [max(0.0, value - low) for value, (low, _) in zip(values, spread, strict=True)]
        above = [max(0.0, high - value) for value, (_, high) in zip(values, spread, strict=True)]
        bars = axis.barh(names, values, xerr=[below, above], color="#4c72b0", ecolor="#888888")
        axis.bar_label(bars, [f"{value:.3g}" for value in values], label_type="center", color="white")
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
    _draw_cpu(axes[0][1], results, names)
    figure.suptitle(f"{results['images']:,} photographs of {results['megapixels']:g} megapixels", fontsize=12)
    files = [folder / "bench.svg", folder / "bench.png"]
    for file in files:
        figure.savefig(file, dpi=120)
    plt.close(figure)
    return files


def _draw_cpu(axis: Any, results: dict[str, Any], names: list[str]) -> None:
    by_process = [results["variants"][name]["cpu_seconds_per_image_by_process"] for name in names]
    left = [0.0] * len(names)
    for process in dict.fromkeys(process for each in by_process for process in each):
        values = [each.get(process, 0.0) for each in by_process]
        axis.barh(names, values, left=left, label=process.replace("_", " "))
        left = [start + value for start, value in zip(left, values, strict=True)]
    axis.set_title("CPU seconds an image, by process", fontsize=10)
    axis.invert_yaxis()
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
