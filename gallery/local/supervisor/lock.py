"""The lock that lets only one command at a time start or stop a stack."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gallery.errors import ConfigurationError

LOCK_SECONDS = 180.0


@contextmanager
def locked(file: Path, command: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the stack's lock, so that two commands do not start everything twice.

    The kernel frees it when its holder dies. `command` is what users call the program; for messages.
    Raises `ConfigurationError` if another command has held the lock for 180 seconds.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise ConfigurationError(f"{file} belongs to another user; run as that user") from None
    try:
        _acquire(descriptor, file, command, progress)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, command: str, progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"another {command} command has held {file} for {LOCK_SECONDS:.0f} seconds; end it first"
                ) from None
            if not told:
                progress(f"waiting for another {command} command to finish")
                told = True
            time.sleep(0.1)
