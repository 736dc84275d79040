"""The state of a stack between commands: its processes, its ports, and how to stop it."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from gallery.local.supervisor.parts import Ending
from gallery.local.supervisor.processes import Record


@dataclass(frozen=True)
class StackState:
    """The content of `stack.json`."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    """Marks this stack's processes: it is in their environment, and in their children's."""
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Record] = field(default_factory=dict)
    attachment: str | None = None
    """Identifies the watchdog that may stop this stack; None if it outlives its starter."""
    endings: dict[str, Ending] = field(default_factory=dict)
    """How each part is stopped, in start order, for the watchdog. Release 0.1.0 did not write this."""
    settings: dict[str, str] | None = None
    """The variables that the stack was started with, secrets among them; once it is stopped, their names alone.
    None where an older release has started it.
    """

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Parse the content of `stack.json`; a fresh state if there is none or it is damaged."""
        try:
            stored: dict[str, Any] = json.loads(text) if text else {}
            return cls(
                token=str(stored["token"]),
                ports={str(name): int(port) for name, port in stored["ports"].items()},
                processes={str(name): Record(**record) for name, record in stored["processes"].items()},
                attachment=stored.get("attachment"),
                endings={str(name): _ending(ending) for name, ending in stored.get("endings", {}).items()},
                settings=None if (settings := stored.get("settings")) is None else _texts(settings),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def to_json(self) -> str:
        endings = {name: {**asdict(ending), "signal": ending.signal.name} for name, ending in self.endings.items()}
        return json.dumps({**asdict(self), "endings": endings}, indent=2) + "\n"

    def with_process(self, name: str, record: Record | None) -> Self:
        others = {key: value for key, value in self.processes.items() if key != name}
        return replace(self, processes={**others, name: record} if record else others)

    def without_values(self) -> Self:
        """As it is kept while nothing runs: of `settings`, the names alone."""
        return replace(self, settings=None if self.settings is None else dict.fromkeys(self.settings, ""))


def _texts(stored: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in stored.items()}


def _ending(stored: Mapping[str, Any]) -> Ending:
    return Ending(signal.Signals[stored["signal"]], float(stored["seconds"]), bool(stored["children_first"]))
