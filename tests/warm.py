"""Python's `-m` without the start of Python: modules run in forks of a process that has imported what they need.

    python tests/warm.py serve DESCRIPTOR                 # of a Unix socket that listens already: no command is early
    python -S tests/warm.py run PATH MODULE ARGUMENT...   # by the path of that socket

A worker that starts its runs by the second command does so in a fraction of the CPU time. What is run is a process and
a session of its own, with the environment, folder and output of the command; the command passes signals on to it and
ends as it ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

MESSAGE_BYTES = 1 << 17
# By flow runs and the API, and by what they import when it is first used.
IMPORTED = (
    "anyio._backends._asyncio",
    "boto3.s3.inject",
    "flows.ingest_gallery",
    "flows.rebuild_renditions",
    "flows.sweep_storage",
    "gallery.api.app",
    "prefect.flow_engine",
    "prefect.runner",
    "psycopg",
    "typer",
    "uvicorn",
    "uvloop",
)
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(path: str, command: list[str]) -> int:
    """Have the server run the module that this process was started for; returns its exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(path)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        socket.send_fds(server, [json.dumps([command, str(Path.cwd()), dict(os.environ)]).encode()], [0, 1, 2])
        pid = int(server.recv(64))

        def pass_on(number: int, _: FrameType | None) -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

        for number in SIGNALS:
            signal.signal(number, pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return int(server.recv(64))


def serve(descriptor: int) -> list[str]:
    """Wait for commands, as long as the process that started this one lives; returns one in a process of its own."""
    starter = os.getppid()
    with socket.socket(fileno=descriptor) as listener:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if not select.select([listener], [], [], 5)[0]:
                if os.getppid() != starter:
                    os._exit(0)
                continue
            command, _ = listener.accept()
            if os.fork() == 0:
                break
            command.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, outputs, _, _ = socket.recv_fds(command, MESSAGE_BYTES, 3)
    if pid := os.fork():
        command.send(str(pid).encode())
        watched: list[socket.socket | int] = [command, os.pidfd_open(pid)]
        if command in select.select(watched, [], [])[0]:
            # The command was killed: what it runs does not outlive it.
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(OSError):
            command.send(str(status).encode())
        os._exit(0)
    command.close()
    os.setsid()
    for number, output in enumerate(outputs):
        os.dup2(output, number)
        os.close(output)
    arguments, folder, environment = json.loads(message)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(arguments)


if __name__ == "__main__":
    action, where, *arguments = sys.argv[1:]
    if action == "run":
        sys.exit(run(where, arguments))

    for module in IMPORTED:
        importlib.import_module(module)
    # What takes its time at first, and less in a fork: to read Prefect's settings, and botocore's description of S3.
    refresh = sys.modules["prefect.context"].refresh_global_settings_context
    refresh()
    sys.modules["gallery.storage.s3"].Storage(sys.modules["gallery.settings"].load_settings()).close()
    gc.freeze()
    sys.argv = serve(int(where))
    # The environment is another one now.
    refresh()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
