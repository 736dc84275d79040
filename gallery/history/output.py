"""Tables of the history for a terminal, for a spreadsheet and for a script."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gallery.history.source import Table

# A cell that begins so is a formula to a spreadsheet, and file names come from outside (CWE-1236).
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def print_table(console: Console, table: Table, *, title: str | None = None, nothing: str = "nothing") -> None:
    """Print for a person; what comes from outside stands in it as it is, never as markup."""
    if title:
        console.print(Text(title, style="bold"))
    if not table.rows:
        console.print(Text(nothing))
        return
    shown = RichTable(box=box.SIMPLE_HEAD)
    for place, column in enumerate(table.columns):
        number = any(isinstance(row[place], int | float) for row in table.rows)
        shown.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(words(name, value)) for name, value in zip(table.columns, row, strict=True)))
    console.print(shown)


def write_csv(table: Table, file: TextIO) -> None:
    """Write for a spreadsheet; a text that would be a formula there gets an apostrophe before it."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([[_cell(value) for value in row] for row in table.rows])


def _cell(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in JSON's types; times in ISO 8601."""
    return {name: _plain(value) for name, value in record.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str | dict) else str(value)


def words(column: str, value: object) -> str:
    """A value as people read it, by the unit that its column's name says."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if column.startswith("bytes") and isinstance(value, int):
        return _size(value)
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _size(count: int) -> str:
    size = float(count)
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} {UNITS[-1]}"
