"""Starting and ending the stack's processes. No process is ever ended by its name.

A process belongs to a part if its pid and creation time are the recorded ones, or if its environment carries the
part's marks. The marks find what the record cannot: processes that a part left behind in sessions of their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from gallery.local.supervisor.parts import Ending

# psutil derives creation times from the boot time, which a stepped clock shifts a little.
SAME_CREATION_SECONDS = 2.0


@dataclass(frozen=True)
class Record:
    """A process as written to `stack.json`."""

    pid: int
    created: float
    """Seconds since the epoch; tells a process from a later one with the same pid."""


def spawn(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, *, stdin: int | None = None
) -> Record:
    """Start `command` in a session of its own, its output appended to a fresh `log` (the last is kept as .1)."""
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(output)
    # The process outlives this one on purpose: without this, Popen warns when it is collected.
    process.returncode = 0
    return Record(process.pid, psutil.Process(process.pid).create_time())


def find(record: Record | None) -> psutil.Process | None:
    """The recorded process, if it is alive and really that one."""
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.created) > SAME_CREATION_SECONDS:
            return None
        return process if _is_alive(process) else None
    except psutil.NoSuchProcess:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
    except psutil.NoSuchProcess:
        return False
    # Ended, but not yet reaped: where it is our own child, that is up to us.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return False


def family(record: Record | None, marks: Mapping[str, str]) -> list[psutil.Process]:
    """All processes of a part, parents before children: the recorded one, its descendants, its orphans.

    `marks` are variables that only the environments of this part's processes have with these values.
    """
    root = find(record)
    found = [root] if root else []
    with contextlib.suppress(psutil.NoSuchProcess):
        found += root.children(recursive=True) if root else []
    known = {process.pid for process in found}
    orphans = [p for p in _marked(marks) if p.pid not in known]
    return found + sorted(orphans, key=lambda process: process.create_time())


def _marked(marks: Mapping[str, str]) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if marks.items() <= process.environ().items() and _is_alive(process):
                process.create_time()  # kept by psutil, and checked before it sends a signal
                yield process


def listens(process: psutil.Process, port: int | None) -> bool:
    """Whether it is `process` that listens on `port`, and not another program; True if that cannot be seen."""
    try:
        return port is None or any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections("tcp")
        )
    except psutil.AccessDenied:
        return True  # a server under another account, in a container; whether it is ready tells
    except psutil.NoSuchProcess:
        return False


def end(processes: Sequence[psutil.Process], ending: Ending, part: psutil.Process | None) -> None:
    """Ask the eldest of `processes` to end, wait, then end what is left, parents before children.

    `part` is the part's own process. If that is dead, the processes that it left behind are the eldest, and are asked
    before their children, too.
    """
    generations = _generations(processes)
    if ending.children_first and part is not None:
        _stop(generations[1] if len(generations) > 1 else [], ending)
    _stop(generations[0] if generations else [], ending)
    for group in _generations([process for process in processes if _is_alive(process)]):
        _stop(group, Ending(seconds=2.0))


def _stop(group: Sequence[psutil.Process], ending: Ending) -> None:
    _send(group, ending.signal)
    _send(_wait(group, ending.seconds), signal.SIGKILL)
    _wait(group, 10.0)


def _generations(processes: Sequence[psutil.Process]) -> list[list[psutil.Process]]:
    """`processes` by depth: those whose parent is not among them, then their children, and so on."""
    left = list(processes)
    generations: list[list[psutil.Process]] = []
    while left:
        pids = {process.pid for process in left}
        group = [process for process in left if _parent(process) not in pids]
        generations.append(group or left)
        left = [process for process in left if process not in group] if group else []
    return generations


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)  # psutil refuses where the pid has been taken by another process


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, at most `seconds`; returns those that have not."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = [process for process in alive if _is_alive(process)]
    return alive
