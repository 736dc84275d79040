"""The results as a table for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = (
    ("images_per_second", "images/s", "{:.2f}"),
    ("seconds_to_first_image", "first image s", "{:.1f}"),
    ("seconds_in_all", "in all s", "{:.1f}"),
    ("peak_rss_mb", "peak MiB", "{:.0f}"),
    ("other_load", "other load", "{:.2f}"),
    ("cpu_seconds_per_image", "CPU s/image", "{:.3f}"),
)


def print_table(results: dict[str, Any], console: Console) -> None:
    """Medians, a line for each variant, and CPU seconds per image by process."""
    variants: dict[str, dict[str, Any]] = results["variants"]
    groups = list(dict.fromkeys(name for found in variants.values() for name in _cpu(found)))
    table = Table(title=f"{results['images']:,} photographs of {results['megapixels']:g} megapixels; medians")
    for heading in ("variant", *(heading for _, heading, _ in COLUMNS), *groups, "ratio"):
        table.add_column(heading.replace("_", " "), justify="left" if heading == "variant" else "right")
    ratios = results["ratio_to_bare_loop"] or {}
    for name, found in variants.items():
        figures = [form.format(found[figure]) for figure, _, form in COLUMNS]
        cpu = [f"{_cpu(found)[group]:.3f}" if group in _cpu(found) else "" for group in groups]
        table.add_row(name, *figures, *cpu, f"{ratios[name]:.2f}" if name in ratios else "")
    console.print(table)
    for name, why in results["left_out"].items():
        console.print(f"{name} is left out: {why}")


def _cpu(variant: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = variant["cpu_seconds_per_image_by_process"]
    return found
