"""What a person reads at the end of an ingest: what happened, how fast, what is wrong, where to look."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gallery.client.types import ReportedProblem
from gallery.client.upload import IngestResult

WORDS = {
    "saved": "saved, new in the gallery",
    "replaced": "replaced an earlier version",
    "unchanged": "unchanged, nothing to do",
    "superseded": "superseded by a later upload",
    "rejected": "rejected: the file is at fault",
    "failed": "failed: a retry may succeed",
    "pending": "not worked on",
}


def print_summary(result: IngestResult, console: Console) -> None:
    """Print it for a person; file names and messages stand in it as they are, never as markup."""
    console.print(_headline(result), _counts(result), sep="\n")
    if result.problems:
        console.print(_problems(result.problems))
        hidden = sum(result.counts.get(name, 0) for name in ("rejected", "failed")) - len(result.problems)
        if hidden > 0:
            console.print(Text(f"and {hidden:,} more\n"))
    # In one piece, however narrow the terminal: a folded address cannot be clicked or copied.
    console.print(Text(f"upload  {result.upload_id}"), soft_wrap=True)
    if result.flow_run_url:
        console.print(Text(f"run     {result.flow_run_url}"), soft_wrap=True)


def _headline(result: IngestResult) -> Text:
    return Text.assemble(
        (result.gallery_id, "bold"),
        f": {result.good_count:,} of {result.image_count:,} images are in the gallery, ",
        (result.state.replace("_", " "), "bold green" if result.ok else "bold yellow"),
        f" · {result.duration_seconds:,.1f} s · {result.images_per_second:,.1f} images/s",
    )


def _counts(result: IngestResult) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right")
    table.add_column()
    for outcome, number in result.counts.items():
        if number:
            table.add_row(f"{number:,}", Text(WORDS.get(outcome, outcome)))
    return table


def _problems(problems: tuple[ReportedProblem, ...]) -> Table:
    table = Table("file", "outcome", "reason", "message", box=box.SIMPLE_HEAD)
    for problem in problems:
        cells = (problem.file_name, problem.outcome, problem.reason or "", problem.message or "")
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table
