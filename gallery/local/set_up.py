"""Set-up steps that run as commands of their own, with the stack's environment and never in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gallery.errors import GalleryError
from gallery.local.info import StackInfo


def set_up_prefect(project: Path, environment: Mapping[str, str]) -> None:
    """Make Prefect's pool, queues, result storage and deployments. Raises `GalleryError` that says what failed."""
    _run([sys.executable, "-m", "deployments.set_up"], project, environment)


def set_up_stack(project: Path, environment: Mapping[str, str] = os.environ) -> Callable[[StackInfo], None]:
    """The set-up step for `LocalStack.start`: all of `gallery setup`."""

    def set_up(info: StackInfo) -> None:
        _run([sys.executable, "-m", "gallery.cli", "setup"], project, info.process_environment(environment))

    return set_up


def _run(command: list[str], project: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - fixed commands
        command, cwd=project, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-12:]
        raise GalleryError("set-up failed:\n  " + "\n  ".join(lines))
