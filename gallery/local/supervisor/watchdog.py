"""Stops an attached stack when the process that started it dies: `python -m gallery.local.supervisor.watchdog`.

Its standard input is a pipe that the starter holds open. However the starter ends, also by SIGKILL, the
kernel closes the pipe; unless `DETACH` came before, that means: stop the stack.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gallery.local.supervisor.environments import without

DETACH = b"detach\n"


@dataclass
class Watchdog:
    """The starter's end of the pipe."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Path, attachment: str, environment: dict[str, str]) -> Watchdog:
        """Watch over the stack in `home`, as long as it is the one started as `attachment`."""
        log = (home / "logs" / "watchdog.log").open("wb")
        with log:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-m", "gallery.local.supervisor.watchdog", str(home), attachment],
                env=without(environment, ["PYTHONSAFEPATH"]),
                cwd=Path(__file__).parents[3],  # where `gallery` can be imported from, installed or not
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process)

    def dismiss(self) -> None:
        """Tell it to go without stopping anything, and wait until it has gone."""
        try:
            self.process.communicate(DETACH, timeout=30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def main() -> None:
    from gallery.local.supervisor.stack import LocalStack  # noqa: PLC0415 - stack.py imports this module

    home, attachment = Path(sys.argv[1]), sys.argv[2]
    if sys.stdin.buffer.read() != DETACH:
        LocalStack(home, home).stop(attachment=attachment)


if __name__ == "__main__":
    main()
