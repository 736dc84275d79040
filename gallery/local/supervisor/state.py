"""What the stack remembers in `GALLERY_HOME` between commands: processes, ports, and a lock."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from gallery.errors import ConfigurationError
from gallery.local.supervisor.files import read_private, write_private
from gallery.local.supervisor.processes import Record

LOCK_SECONDS = 180.0


@dataclass(frozen=True)
class StackState:
    """The content of `stack.json`."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    """Marks this stack's processes: it stands in their environment, and their children's."""
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Record] = field(default_factory=dict)
    attachment: str | None = None
    """Names the watchdog that may stop this stack; None where it outlives its starter."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read `file`; a fresh state where there is none or it is damaged."""
        text = read_private(file)
        try:
            stored: dict[str, Any] = json.loads(text) if text else {}
            return cls(
                token=str(stored["token"]),
                ports={str(name): int(port) for name, port in stored["ports"].items()},
                processes={str(name): Record(**record) for name, record in stored["processes"].items()},
                attachment=stored.get("attachment"),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def save(self, file: Path) -> Self:
        write_private(file, json.dumps(asdict(self), indent=2) + "\n")
        return self

    def with_process(self, name: str, record: Record | None) -> Self:
        others = {key: value for key, value in self.processes.items() if key != name}
        return replace(self, processes={**others, name: record} if record else others)


@contextmanager
def locked(file: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the stack's lock, so that two `gallery up` do not start everything twice.

    The kernel frees it when its holder dies. Raises `ConfigurationError` where another command has
    held it for 180 seconds.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise ConfigurationError(f"{file} belongs to another user; run as that user") from None
    try:
        _acquire(descriptor, file, progress)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"another gallery command has held {file} for {LOCK_SECONDS:.0f} seconds; end it first"
                ) from None
            if not told:
                progress("waiting for another gallery command to finish")
                told = True
            time.sleep(0.1)
