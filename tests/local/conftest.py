"""Real stacks in temporary folders, on free ports; whatever a test leaves running is ended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gallery.local.processes import TOKEN_VARIABLE
from gallery.local.stack import LocalStack
from gallery.local.state import StackState

PROJECT = Path(__file__).parents[2]
OUTSIDE = ("GALLERY_", "AWS_", "PREFECT_")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would make a part external, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
    return {**kept, **more}


def processes_of(home: Path) -> list[psutil.Process]:
    """Every living process that carries the token of the stack in `home`."""
    token = StackState.load(home / "stack.json").token
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TOKEN_VARIABLE) == token:
                found.append(process)
    return found


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[Callable[..., LocalStack]]:
    """Makes stacks by their home's name; the same name is the same stack, seen by another command."""
    homes: set[Path] = set()

    def make(name: str = "home", **environment: str) -> LocalStack:
        homes.add(tmp_path / name)
        return LocalStack(tmp_path / name, PROJECT, clean_environment(**environment))

    yield make
    for home in homes:
        LocalStack(home, PROJECT, {}).stop()
        assert processes_of(home) == []
