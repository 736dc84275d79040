"""`gallery history`, `failures` and `report`: what the run history says, for ops and analysts."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gallery.cli.target import the_history, use_stack

if TYPE_CHECKING:
    from rich.console import Console

    from gallery.history.questions import Report
    from gallery.history.source import Table

app = typer.Typer(invoke_without_command=True)
Gallery = Annotated[str | None, typer.Option("--gallery", help="One gallery alone.")]
Since = Annotated[str | None, typer.Option(help="From then on: 7d, 24h, 2w, or a UTC day or moment like 2026-06-20.")]
Until = Annotated[str | None, typer.Option(help="Up to then.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet.")]

# What fits a terminal; --json and --csv have all columns.
UPLOAD_COLUMNS = ("requested_at", "gallery_id", "state", "attempts", "image_count", "rejected", "failed",
                  "duration_seconds", "upload_id")  # fmt: skip
RUN_COLUMNS = ("started_at", "flow_name", "gallery_id", "attempt", "state", "trigger", "duration_seconds",
               "images_per_second", "message")  # fmt: skip
FAILURE_COLUMNS = ("finished_at", "gallery_id", "file_name", "outcome", "reason", "message")
PIPE_WIDTH = 200  # characters, where there is no terminal to fold lines for
REPORT_TITLES = {
    "days": "Day by day",
    "stages": "Seconds by stage",
    "reasons": "What was rejected or failed, and why",
    "galleries": "Galleries that took longest",
}


@app.callback()
def history(
    context: typer.Context,
    gallery: Gallery = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[str | None, typer.Option(help="One state alone, such as failed or running.")] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Every attempt and maintenance run, not uploads.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """What was uploaded and how it went, the newest first. With `prune`: delete old rows."""
    if context.invoked_subcommand is not None:
        return
    from gallery.history import questions
    from gallery.history.source import open_history

    filters = questions.Filters(gallery, questions.parse_time(since), questions.parse_time(until), state, limit)
    with open_history(the_history()) as source:
        table = questions.runs(source, filters) if runs else questions.uploads(source, filters)
    _show("runs" if runs else "uploads", table, RUN_COLUMNS if runs else UPLOAD_COLUMNS, as_json, as_csv)


@app.command()
def prune(
    before: Annotated[str | None, typer.Option(help="Rows before this UTC day; else as GALLERY_HISTORY_DAYS.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete image rows that are old, once they are summed up. Uploads, runs and sums stay."""
    from gallery.catalogue.connect import connect
    from gallery.catalogue.retention import prune_history
    from gallery.history.questions import parse_time
    from gallery.settings import load_settings

    use_stack()
    settings = load_settings()
    day = parse_time(before) or datetime.now(UTC) - timedelta(days=settings.history_days)
    engine = connect(settings, application="gallery-prune", connections=1)
    pruned = prune_history(engine, day.astimezone(UTC).date(), dry_run=dry_run)
    engine.dispose()
    if as_json:
        days = [item and item.isoformat() for item in (pruned.first_day, pruned.last_day)]
        print(json.dumps({"rows": pruned.rows, "first_day": days[0], "last_day": days[1], "dry_run": dry_run}))
    else:
        of = f", of {pruned.first_day} to {pruned.last_day}" if pruned.rows else ""
        print(f"{pruned.rows:,} image rows {'would be' if dry_run else 'are'} deleted{of}")


def failures(
    gallery: Gallery = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[str | None, typer.Option(help="rejected or failed alone.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Files that were rejected or failed, where and why, the newest first; each attempt counts."""
    from gallery.history import questions
    from gallery.history.source import open_history

    filters = questions.Filters(gallery, questions.parse_time(since), questions.parse_time(until), state, limit)
    with open_history(the_history()) as source:
        table = questions.failures(source, filters)
    _show("failures", table, FAILURE_COLUMNS, as_json, as_csv)


def report(
    gallery: Gallery = None,
    since: Since = "30d",
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many galleries.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write a page with plots to this file instead.")] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the days as a table for a spreadsheet.")] = False,
) -> None:
    """A stretch of time summed up: throughput, outcomes, stages, reasons, galleries."""
    from gallery.errors import GalleryError
    from gallery.history import questions
    from gallery.history.output import as_json as plain
    from gallery.history.output import write_csv
    from gallery.history.source import open_history

    filters = questions.Filters(gallery, questions.parse_time(since), questions.parse_time(until), None, limit)
    with open_history(the_history()) as source:
        found = questions.report(source, filters)
    if out is not None:
        from gallery.history.page import render_page

        try:
            out.write_text(render_page(found, datetime.now(UTC)), encoding="utf-8")
        except OSError as error:
            raise GalleryError(f"cannot write {out}: {error.strerror or error}") from error
        print(f"the report is in {out}", file=sys.stderr)
    if as_json:
        sections = {name: [plain(row) for row in table.records()] for name, table in found.sections().items()}
        print(json.dumps(sections))
    elif as_csv:
        write_csv(found.days, sys.stdout)
    elif out is None:
        _print_report(found)


def _print_report(found: Report) -> None:
    from gallery.history.output import print_table

    console = _console()
    for name, table in found.sections().items():
        print_table(console, table, title=REPORT_TITLES[name])


def _show(name: str, table: Table, columns: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    from gallery.history.output import as_json as plain
    from gallery.history.output import print_table, write_csv

    if as_json:
        print(json.dumps({name: [plain(row) for row in table.records()]}))
    elif as_csv:
        write_csv(table, sys.stdout)
    else:
        print_table(_console(), table.only(columns), nothing=f"no {name}")


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
