"""Real stacks in temporary folders, on free ports; whatever a test leaves running is ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gallery.local.definition import NAMES
from gallery.local.stack import LocalStack
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.state import StackState
from tests.conftest import PROJECT, clean_environment


def state_of(home: Path) -> StackState:
    """The recorded state of the stack in `home`."""
    return Home(home, NAMES).load()


def processes_of(home: Path) -> list[psutil.Process]:
    """Every living process that carries the token of the stack in `home`."""
    token = state_of(home).token
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(NAMES.token_variable) == token:
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
