"""A Prefect worker that runs flows as subprocesses on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from gallery.local.definition import NAMES
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.parts import Part

POOL = "gallery"
NAME = "local"
# Prefect's worker turns SIGTERM into SIGINT. Programs that a script starts with `&` ignore SIGINT, and so do the
# programs that they start: the worker would keep running.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from prefect.cli import app; app()"
)


def worker_part(environment: Mapping[str, str], project: Path, log: Path, temporary: Path) -> Part:
    """The worker on pool `gallery`, which must exist: else the worker would make one with defaults.

    `environment` has the stack's addresses; flow runs inherit it. `temporary` is the worker's own folder for
    temporary files: Prefect's fixed name in the machine's would belong to whichever user came first.
    """
    command = ("-c", INTERRUPTIBLE, "worker", "start", "--pool", POOL, "--type", "process", "--name", NAME)
    return Part(
        name="worker",
        command=(sys.executable, *command),
        environment={
            **environment,
            "PYTHONUNBUFFERED": "1",  # its readiness is read from its log; its own health check would take a port
            "TMPDIR": str(temporary),
            # Runs have a dozen threads. With glibc's default of eight heaps a processor they take 20 MB more.
            "MALLOC_ARENA_MAX": "1",
        },
        prepare=lambda: _make_empty(temporary),
        folder=project,
        is_ready=lambda: f"Worker '{NAME}' started!" in _read(log),
        start_seconds=90.0,
    )


def _make_empty(folder: Path) -> None:
    # What a killed worker left there is of no use to the next.
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder, NAMES.home_variable)


def _read(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
