"""The `gallery` command as a process of its own, as a person or a script calls it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import PROJECT, clean_environment


def gallery(
    *arguments: str | Path, home: Path, start: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing of the surroundings but `environment`; `start` is what starts it, if not we."""
    return subprocess.run(
        [*start, sys.executable, "-m", "gallery.cli", *map(str, arguments)],
        cwd=PROJECT,
        env=clean_environment(GALLERY_HOME=str(home), PYTHONPATH=str(PROJECT), **environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that a person must mend."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gallery: ")
    return line.removeprefix("gallery: ")
