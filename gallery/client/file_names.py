"""File names as they are shown to people."""

from __future__ import annotations

from collections.abc import Sequence

NAMES_IN_A_NOTE = 5


def printable(name: str) -> str:
    """`name`, or its escaped form where it has control characters or the like."""
    return name if name.isprintable() else ascii(name)


def names_in_words(names: Sequence[str]) -> str:
    """`a.jpg, b.jpg and 3 more`: the first few, printable."""
    shown = ", ".join(printable(name) for name in names[:NAMES_IN_A_NOTE])
    more = f" and {len(names) - NAMES_IN_A_NOTE:,} more" if len(names) > NAMES_IN_A_NOTE else ""
    return shown + more
