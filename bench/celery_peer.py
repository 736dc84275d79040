"""What the Celery variant needs and the project does not have: packages, in a venv of their own, and a Redis server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bench.measuring import wait_until
from bench.servers import PROJECT, Servers

REQUIREMENTS = PROJECT / "bench" / "requirements-celery.txt"
INSTALL_SECONDS = 300
START_SECONDS = 20


class LeftOut(Exception):
    """A variant cannot be measured here; says why."""


def python_with_celery(home: Path) -> Path:
    """The interpreter of a venv in `home` that has Celery and sees this project's packages; made once.

    Raises `LeftOut` where its packages cannot be had.
    """
    venv = home / f"celery-{sha256(REQUIREMENTS.read_bytes()).hexdigest()[:8]}"
    python = venv / "bin" / "python"
    done = venv / "installed"
    if not done.exists():
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
        install = ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS)]
        _run([sys.executable, "-m", "pip", "--python", str(python), "install", *install])
        (site,) = venv.glob("lib/python*/site-packages")
        (site / "project.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        done.touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise LeftOut(f"its packages were not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LeftOut(f"its packages cannot be installed: {last}")


@contextmanager
def with_redis(servers: Servers, python: Path) -> Iterator[Servers]:
    """`servers` and a Redis that is measured as one of them; it listens on a socket that only this user reaches.

    Raises `LeftOut` where there is no `redis-server`, neither on PATH nor beside `python`.
    """
    server = shutil.which("redis-server") or shutil.which("redis-server", path=str(python.parent))
    if server is None:
        raise LeftOut("there is no redis-server on PATH, and the installed packages brought none")
    # Not in the benchmark's folder: a socket's path may have 107 bytes at most. The folder's mode is 0700.
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        quiet = ["--port", "0", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(
            [server, "--unixsocket", str(socket), *quiet], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(socket.exists, START_SECONDS, "Redis to listen")
            environment = {**servers.environment, "BENCH_REDIS_URL": f"redis+socket://{socket}"}
            pids = {**servers.info.pids, "redis": process.pid}
            yield replace(servers, info=replace(servers.info, pids=pids), environment=environment)
        finally:
            process.terminate()
            process.wait()
