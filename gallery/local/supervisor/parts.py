"""Declarations of a stack and its parts, and the commands that the parts run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gallery.local.supervisor.ports import PortSpec


@dataclass(frozen=True)
class Ending:
    """How the process of a part is asked to end."""

    signal: signal.Signals = signal.SIGTERM
    seconds: float = 10.0
    """Grace period before it is killed."""
    children_first: bool = False
    """Whether its direct children are ended before it."""


@dataclass(frozen=True)
class PartSpec:
    """A part as declared, whether or not it runs."""

    title: str
    """Its name in messages, e.g. `the API`."""
    needs: frozenset[str] = frozenset()
    """Parts that must be ready before it starts."""
    port: PortSpec | None = None
    """Where it listens; None for a part that does not."""
    after_set_up: bool = False
    """Whether it starts only after the set-up step."""
    ending: Ending = Ending()


@dataclass(frozen=True)
class Names:
    """The words of the program that a stack belongs to."""

    command: str
    """The command that users type; for messages."""
    home_variable: str
    """The setting that names the stack's folder; for messages."""
    token_variable: str
    """Environment variable that marks every process of a stack with the stack's token."""
    part_variable: str
    """Environment variable that marks every process of a part with the part's name."""

    def marks(self, token: str, part: str) -> dict[str, str]:
        """The variables in the environment of a part's processes, and of their children."""
        return {self.token_variable: token, self.part_variable: part}


@dataclass(frozen=True)
class StackSpec:
    """A stack as declared, whether or not it runs."""

    names: Names
    parts: Mapping[str, PartSpec]
    """In the order they start; they stop in the opposite order."""

    @property
    def endings(self) -> Mapping[str, Ending]:
        """How each part is ended, in start order."""
        return {name: part.ending for name, part in self.parts.items()}

    def with_needed(self, parts: frozenset[str]) -> frozenset[str]:
        """`parts` and everything that they need, directly or not."""
        needed = parts.union(*(self.parts[part].needs for part in parts))
        return needed if needed == parts else self.with_needed(needed)

    def phases(self) -> list[list[str]]:
        """The parts by the time they start: those that need nothing, then those that need only these, and so on."""
        phases: list[list[str]] = []
        started: set[str] = set()
        while left := [name for name in self.parts if name not in started]:
            phase = [name for name in left if self.parts[name].needs <= started]
            if not phase:
                raise ValueError(f"these parts need one another: {', '.join(left)}")
            phases.append(phase)
            started.update(phase)
        return phases


@dataclass(frozen=True)
class Part:
    """One process of the stack: how it is started and known to be ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Working directory."""
    is_ready: Callable[[], bool]
    """Called repeatedly until it returns True; must return within seconds and not raise."""
    port: int | None = None
    """The port of 127.0.0.1 that it listens on."""
    prepare: Callable[[], None] = field(default=lambda: None)
    """Called before every start: makes folders, initialises data."""
    finish: Callable[[], None] = field(default=lambda: None)
    """Called once after the part got ready, e.g. to create databases."""
    transient_failure: str = ""
    """If the process ended and this text is at the end of its log, starting it again will help."""
    start_seconds: float = 90.0
    """How long to wait for `is_ready` before giving up."""
