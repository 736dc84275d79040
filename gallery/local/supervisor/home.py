"""The folder of a stack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gallery.local.supervisor.files import make_private_folder, read_private, write_private
from gallery.local.supervisor.lock import locked
from gallery.local.supervisor.parts import Names
from gallery.local.supervisor.state import StackState


@dataclass(frozen=True)
class Home:
    """The folder with a stack's state, lock and logs."""

    folder: Path
    names: Names

    @property
    def state_file(self) -> Path:
        return self.folder / "stack.json"

    def make(self) -> None:
        """Make the folder. Raises `ConfigurationError` if that is not possible."""
        for folder in (self.folder, self.folder / "logs"):
            make_private_folder(folder, self.names.home_variable)

    def log(self, part: str) -> Path:
        """The file with the output of `part`."""
        return self.folder / "logs" / f"{part}.log"

    def load(self) -> StackState:
        """The recorded state; a fresh one if there is none. Raises `ConfigurationError` if it is another user's."""
        return StackState.from_json(read_private(self.state_file, self.names.home_variable))

    def save(self, state: StackState) -> StackState:
        write_private(self.state_file, state.to_json(), self.names.home_variable)
        return state

    def locked(self, progress: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold the stack's lock; see `lock.locked`."""
        return locked(self.folder / "stack.lock", self.names.command, progress)
