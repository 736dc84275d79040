"""Which machine this is, and whether a process of it has ended."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_host() -> str:
    """A name of the set of processes that this one is among: of a machine, or of a container on it."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux
        processes = ""
    return f"{socket.gethostname()} {processes}".rstrip()


def is_gone(host: str, process_id: int) -> bool:
    """Whether a process of this machine has ended. Of another one that is not known: false."""
    if host != this_host():
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
