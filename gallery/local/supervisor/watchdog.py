"""Stops an attached stack when the process that started it dies: `python -m gallery.local.supervisor.watchdog`.

Its standard input is a pipe that the starter holds open. However the starter ends, even by SIGKILL, the kernel closes
the pipe. Unless the starter wrote `DETACH` before, the watchdog then stops the stack. How, is in the stack's folder.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from gallery.local.supervisor.environments import without
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import Names
from gallery.local.supervisor.stopping import stop_attached

MODULE = "gallery.local.supervisor.watchdog"
DETACH = b"detach\n"


@dataclass
class Watchdog:
    """The starter's end of the pipe."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Home, attachment: str, environment: Mapping[str, str]) -> Watchdog:
        """Watch over the stack in `home`, as long as it is the one started as `attachment`."""
        log = home.log("watchdog").open("wb")
        with log:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-m", MODULE, str(home.folder), attachment, *astuple(home.names)],
                env=without(environment, ["PYTHONSAFEPATH"]),
                cwd=Path(__file__).parents[MODULE.count(".")],  # the folder to import `MODULE` from, installed or not
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process)

    def dismiss(self) -> None:
        """Tell it to exit without stopping anything, and wait until it has."""
        try:
            self.process.communicate(DETACH, timeout=30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def main() -> None:
    folder, attachment, *names = sys.argv[1:]
    if sys.stdin.buffer.read() != DETACH:
        stop_attached(Home(Path(folder), Names(*names)), attachment)


if __name__ == "__main__":
    main()
