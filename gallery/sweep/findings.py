"""What a sweep found, by category: counted, with the first few named, so that it stays small however much there is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from gallery.amounts import bytes_in_words, count_in_words
from gallery.models import RunState

Category = Literal["unreferenced", "results", "outbox", "staged", "scratch"]
TITLES: dict[Category, str] = {
    "unreferenced": "objects of the library that no version refers to",
    "results": "cached results of the process stage that have expired",
    "outbox": "deletions that are due",
    "staged": "staged files that have expired",
    "scratch": "scratch folders on this machine that a run left behind",
}
# Names kept of each category, for the report.
FIRST = 20


@dataclass
class Found:
    """How many, of how many bytes together (0 where nobody knows), and the names of the first."""

    count: int = 0
    bytes: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str, size: int = 0) -> None:
        """Count one more."""
        self.count += 1
        self.bytes += size
        if len(self.first) < FIRST:
            self.first.append(name)


class Findings:
    """What one sweep looked at and came upon.

    `gone` is what it deleted, or would delete in a dry run; `unknown` is not of our making and left alone;
    `kept` should have gone and could not; `troubles` says why, by how often.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.looked_at = 0
        self.gone: dict[Category, Found] = {category: Found() for category in TITLES}
        self.unknown = Found()
        self.kept = Found()
        self.troubles: Counter[str] = Counter()

    @property
    def total(self) -> Found:
        """All that is gone, or would be."""
        found = self.gone.values()
        return Found(sum(item.count for item in found), sum(item.bytes for item in found))

    @property
    def is_whole(self) -> bool:
        """Whether everything could be looked at, and deleted."""
        return not self.troubles

    @property
    def state(self) -> RunState:
        """`failed` where something was in the way."""
        return "completed" if self.is_whole else "failed"

    @property
    def message(self) -> str:
        """In a sentence: "would delete 12 objects, 34.0 MB: 10 unreferenced, 2 staged"."""
        total = self.total
        verb = "would delete" if self.dry_run else "deleted"
        if total.count:
            each = ", ".join(f"{found.count:,} {category}" for category, found in self.gone.items() if found.count)
            said = f"{verb} {count_in_words(total.count, 'object')}, {bytes_in_words(total.bytes)}: {each}"
        else:
            said = f"nothing to delete, {count_in_words(self.looked_at, 'object')} looked at"
        if self.kept.count:
            said += f"; {self.kept.count:,} could not be deleted"
        if self.troubles:
            said += f"; in the way: {', '.join(sorted(self.troubles))}"
        if self.unknown.count:
            said += f"; {self.unknown.count:,} unknown left alone"
        return said

    def to_json(self) -> dict[str, Any]:
        """Counts, bytes and first names, for `--json` and for the history."""
        return {
            "dry_run": self.dry_run,
            "looked_at": self.looked_at,
            "found": {category: _to_json(found) for category, found in self.gone.items()},
            "unknown": _to_json(self.unknown),
            "kept": _to_json(self.kept),
            "troubles": dict(self.troubles),
        }

    def counts(self) -> dict[str, int]:
        """How many of each, for the history."""
        numbers: dict[str, int] = {category: found.count for category, found in self.gone.items()}
        return {
            **numbers,
            "bytes": self.total.bytes,
            "unknown": self.unknown.count,
            "kept": self.kept.count,
            "looked_at": self.looked_at,
        }

    def problem_rows(self) -> list[dict[str, str]]:
        """None: what was in the way stands in the message."""
        return []

    def to_markdown(self, problems_url: str | None = None) -> str:
        """For people, in Markdown: a table, and the first names of each category."""
        head = "would be deleted" if self.dry_run else "deleted"
        rows = [
            f"| {category}: {TITLES[category]} | {found.count:,} | {bytes_in_words(found.bytes)} |"
            for category, found in self.gone.items()
        ]
        rows.append(f"| unknown: left alone | {self.unknown.count:,} | {bytes_in_words(self.unknown.bytes)} |")
        rows.append(f"| kept: could not be deleted | {self.kept.count:,} | {bytes_in_words(self.kept.bytes)} |")
        lists = [
            f"\n## {title}\n\n" + "\n".join(_code_item(name) for name in found.first)
            for title, found in [*self.gone.items(), ("unknown", self.unknown), ("kept", self.kept)]
            if found.first
        ]
        table = f"| what | {head} | size |\n| --- | ---: | ---: |\n" + "\n".join(rows)
        return "\n".join([f"# Sweep\n\n{self.message}\n\n{table}", *lists])


def _to_json(found: Found) -> dict[str, Any]:
    return {"count": found.count, "bytes": found.bytes, "first": found.first}


def _code_item(name: str) -> str:
    # Indented code: a name may hold anything but a line break, which `repr` shows.
    return f"    {name if name.isprintable() else ascii(name)}"
