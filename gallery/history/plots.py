"""The report's plots, each as an SVG to stand in a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from gallery.history.source import Table
from gallery.models import OUTCOMES, STAGES

# Inches and points: wide enough for two columns of a screen, large enough in letters for a phone's one.
SIZE = (3.9, 2.5)
# Okabe and Ito's, which colour-blind readers tell apart, too: https://jfly.uni-koeln.de/color/
BLUE, GREEN, SKY, GREY, ORANGE, RED = "#0072B2", "#009E73", "#56B4E9", "#8c959f", "#E69F00", "#D55E00"
OUTCOME_COLOURS = dict(zip(OUTCOMES, (GREEN, BLUE, SKY, GREY, ORANGE, RED), strict=True))
STAGE_COLOURS = dict(zip(STAGES, (SKY, BLUE, GREEN, ORANGE), strict=True))
LOOK = {
    "svg.fonttype": "none",  # text stays text: small, and in the page's own letters
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d0d7de",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    # File and gallery names are no formulas.
    "text.parse_math": False,
}
NOTHING = "<p>Nothing to show in this time.</p>"
LONGEST_LABEL = 28
DAYS_NAMED = 5
BARS = 8


def throughput(days: Table) -> str:
    """Images a second over days."""
    rows = [row for row in days.records() if row["images_per_second"] is not None]
    with _plot(rows, "throughput") as (axes, finish):
        axes.plot(
            [row["day"] for row in rows], [row["images_per_second"] for row in rows], color=BLUE, marker="o", ms=3
        )
        axes.set_ylim(bottom=0)
        axes.set_ylabel("images/s")
        _days(axes, rows)
    return finish()


def outcomes(days: Table) -> str:
    """Outcomes, stacked, over days."""
    rows = days.records()
    with _plot(rows, "outcomes") as (axes, finish):
        dates = [row["day"] for row in rows]
        below = [0] * len(rows)
        for outcome in OUTCOMES:
            heights = [row[outcome] for row in rows]
            if any(heights):
                axes.bar(dates, heights, bottom=below, color=OUTCOME_COLOURS[outcome], label=outcome, width=0.8)
                below = [a + b for a, b in zip(below, heights, strict=True)]
        axes.set_ylabel("images")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        _days(axes, rows)
        _legend(axes)
    return finish()


def stages(latency: Table) -> str:
    """Median (dashed) and 95th percentile of each stage over days, in seconds, on a logarithmic axis."""
    rows = [row for row in latency.records() if row["p95"] > 0]
    with _plot(rows, "stages") as (axes, finish):
        for stage in STAGES:
            mine = [row for row in rows if row["stage"] == stage]
            dates, colour = [row["day"] for row in mine], STAGE_COLOURS[stage]
            if mine:
                axes.plot(dates, [row["p95"] for row in mine], color=colour, marker="o", ms=3, label=stage)
                axes.plot(dates, [row["p50"] for row in mine], color=colour, ls="--", lw=1, marker=".", ms=3)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylabel("seconds")
        _days(axes, rows)
        _legend(axes)
    return finish()


def reasons(found: Table) -> str:
    """The commonest reasons of rejections and failures."""
    rows = found.records()[:BARS]
    with _plot(rows, "reasons") as (axes, finish):
        colours = [OUTCOME_COLOURS[row["outcome"]] for row in rows]
        bars = axes.barh(range(len(rows)), [row["images"] for row in rows], color=colours)
        axes.bar_label(bars, [f"{row['images']:,}" for row in rows], padding=3, fontsize=8)
        label = "images: " + ", ".join(sorted({row["outcome"] for row in rows}))
        _lying(axes, [f"{row['reason']} ({row['stage']})" for row in rows], label)
    return finish()


def galleries(found: Table) -> str:
    """The galleries whose runs took longest."""
    rows = [row for row in found.records() if row["run_seconds"]][:BARS]
    with _plot(rows, "galleries") as (axes, finish):
        bars = axes.barh(range(len(rows)), [row["run_seconds"] for row in rows], color=BLUE)
        axes.bar_label(bars, [f"{row['images_per_second']:,.1f}/s" for row in rows], padding=3, fontsize=8)
        _lying(axes, [row["gallery_id"] for row in rows], "seconds, and images/s")
    return finish()


@contextmanager
def _plot(rows: list[Any], name: str) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Axes to draw on, and what makes an SVG of them; without rows, a sentence."""
    # A look of its own and no global state: `pyplot` would keep each figure.
    look: dict[Any, Any] = {**LOOK, "svg.hashsalt": name}
    with mpl.rc_context(look):
        figure = Figure(figsize=SIZE, layout="constrained")
        drawn: list[str] = []
        yield figure.add_subplot(), lambda: drawn[0] if rows else NOTHING
        if rows:
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
            drawn.append(file.getvalue()[file.getvalue().index("<svg") :])


def _days(axes: Any, rows: list[Any]) -> None:
    """Name a few of the days that there are."""
    days = sorted({row["day"] for row in rows})
    named = days[:: max(1, -(-len(days) // DAYS_NAMED))]
    axes.set_xticks(named, [f"{day.day} {day:%b}" for day in named])
    axes.grid(visible=False, axis="x")
    if len(days) == 1:
        axes.margins(x=1)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside upper center", ncols=4, columnspacing=1, handlelength=1.2)


def _lying(axes: Any, names: list[str], label: str) -> None:
    """Bars that lie, the first on top. By position: two long names may be cut to the same."""
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.2)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
