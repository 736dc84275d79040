"""What a person reads at the end of an ingest: what happened, how fast, what is wrong, where to look, what to do."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gallery.amounts import bytes_in_words, count_in_words
from gallery.client.comparing import FolderComparison, Kind
from gallery.client.file_names import names_in_words, printable
from gallery.client.result import IngestResult
from gallery.client.types import ReportedProblem
from gallery.notes import MEANINGS

WORDS = {
    "saved": "saved, new in the gallery",
    "replaced": "replaced an earlier version",
    "unchanged": "unchanged, nothing to do",
    "superseded": "superseded by a later upload or a deletion",
    "rejected": "rejected, for the reasons below",
    "failed": "failed: a retry may succeed",
    "pending": "not worked on",
}
NOT_ARRIVED = "failed: not in storage, for the reasons below"
COMPARED: dict[Kind, str] = {
    "add": "would be added",
    "unchanged": "in the gallery already",
    "under_another_name": "in the gallery under another name",
    "replace": "would replace another photograph",
    "unknown": "have names of files in an upload under way",
}
TO_DECIDE = (
    "not taken: somebody else put other photographs under the same names meanwhile. "
    "Run `gallery ingest` again: it compares anew, and asks."
)
PROBLEMS_SHOWN = 100


def print_summary(result: IngestResult, console: Console) -> None:
    """Print it for a person; file names and messages stand in it as they are, never as markup."""
    if result.comparison is not None:
        console.print(_comparison(result.comparison))
    else:
        console.print(_headline(result), _counts(result), sep="\n")
    if result.problems:
        shown = result.problems[:PROBLEMS_SHOWN]
        console.print(_problems(shown))
        hidden = sum(result.counts.get(name, 0) for name in ("rejected", "failed")) - len(shown)
        if hidden > 0:
            console.print(Text(f"and {hidden:,} more\n"))
    if result.to_decide:
        console.print(Text(f"{count_in_words(result.to_decide, 'file')} {TO_DECIDE}\n"))
    for note, number in result.notes.items():
        console.print(Text(f"{count_in_words(number, 'file')}: {MEANINGS.get(note, note)}"))
    # In one piece, however narrow the terminal: a folded address cannot be clicked or copied.
    if result.upload_id:
        console.print(Text(f"upload  {result.upload_id}"), soft_wrap=True)
    if result.flow_run_url:
        console.print(Text(f"run     {result.flow_run_url}"), soft_wrap=True)


def why_not_sent(comparison: FolderComparison) -> str:
    """A sentence for a person: what is in the way, and which options there are."""
    names = [photograph.file.file_name for photograph in comparison.of("replace", "unknown")]
    return (
        f"nothing was sent: {count_in_words(len(names), 'file')} would replace others in the gallery, or may "
        f"({names_in_words(names)}): pass --on-conflict keep-both, skip or replace; --dry-run shows the comparison"
    )


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
    missing = sum(problem.reason == "missing_object" for problem in result.problems)
    words = WORDS | ({"failed": NOT_ARRIVED} if missing == result.counts.get("failed") else {})
    for outcome, number in result.counts.items():
        if number:
            table.add_row(f"{number:,}", Text(words.get(outcome, outcome)))
    if result.skipped:
        table.add_row(f"{result.skipped:,}", Text("skipped: the gallery keeps its own"))
    return table


def _comparison(comparison: FolderComparison) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for kind, words in COMPARED.items():
        if photographs := comparison.of(kind):
            size = bytes_in_words(sum(photograph.file.size for photograph in photographs))
            names = names_in_words([photograph.file.file_name for photograph in photographs])
            table.add_row(f"{len(photographs):,}", words, size, Text(names))
    if comparison.left_out:
        table.add_row(f"{len(comparison.left_out):,}", "left out", "", "")
    return table


def _problems(problems: tuple[ReportedProblem, ...]) -> Table:
    table = Table("file", "outcome", "reason", "message", box=box.SIMPLE_HEAD)
    for problem in problems:
        cells = (printable(problem.file_name), problem.outcome, problem.reason or "", problem.message or "")
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table
