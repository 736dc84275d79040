"""What a part of the local stack is, and which parts there are."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PartName = Literal["postgres", "s3", "prefect_server", "worker", "api"]

# In the order they start; they stop in the opposite order.
ALL_PARTS: tuple[PartName, ...] = ("postgres", "s3", "prefect_server", "worker", "api")

NEEDS: Mapping[PartName, frozenset[PartName]] = {
    "postgres": frozenset(),
    "s3": frozenset(),
    "prefect_server": frozenset({"postgres"}),
    "worker": frozenset({"postgres", "s3", "prefect_server"}),
    "api": frozenset({"postgres", "s3", "prefect_server"}),
}

TITLES: Mapping[PartName, str] = {
    "postgres": "PostgreSQL",
    "s3": "the S3 server",
    "prefect_server": "the Prefect server",
    "worker": "the Prefect worker",
    "api": "the API",
}


def with_needed(parts: frozenset[PartName]) -> frozenset[PartName]:
    """`parts` and all that they need, e.g. the Prefect server's PostgreSQL."""
    needed = parts.union(*(NEEDS[part] for part in parts))
    return needed if needed == parts else with_needed(needed)


@dataclass(frozen=True)
class Part:
    """One process of the stack: how it is started, known to be ready, and ended."""

    name: PartName
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Working directory."""
    is_ready: Callable[[], bool]
    """Asked again and again until it says True; must return within seconds and not raise."""
    port: int | None = None
    """Of 127.0.0.1, that it listens on."""
    prepare: Callable[[], None] = field(default=lambda: None)
    """Called before every start: makes folders, initialises data."""
    finish: Callable[[], None] = field(default=lambda: None)
    """Called once after the part got ready, e.g. to create databases."""
    passing_failure: str = ""
    """Where it ended and its log ends with this, starting it again will help."""
    start_seconds: float = 90.0
    """How long to wait for `is_ready` before giving up."""

    @property
    def title(self) -> str:
        return TITLES[self.name]


@dataclass(frozen=True)
class Ending:
    """How the process of a part is asked to end."""

    signal: signal.Signals = signal.SIGTERM
    seconds: float = 10.0
    """Grace before it is killed."""
    children_first: bool = False
    """Whether its direct children are ended before it."""


ENDINGS: Mapping[PartName, Ending] = {
    # SIGINT is PostgreSQL's "fast shutdown": open transactions are rolled back, nobody is waited for.
    "postgres": Ending(signal.SIGINT, 20.0),
    "s3": Ending(),
    "prefect_server": Ending(seconds=15.0),
    # A flow run's process outlives its worker. It gets the signal itself, while Prefect's server is
    # still there to hear that it crashed; its own children (decoders) do not, for a flow that sees
    # its decoder die takes the image for a bad one.
    "worker": Ending(seconds=15.0, children_first=True),
    "api": Ending(),
}
