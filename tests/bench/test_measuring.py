"""Process trees are measured whole: those that have ended, and shared memory once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.measuring import PeakMemory, cpu_of, cpu_seconds, resident_mb, tree, wait_until, wait_until_quiet

BURN = "import time\nwhile time.process_time() < 0.5: pass"
# Burns in a child of a child that has ended, and says what the kernel has noted for it.
DESCENDANTS = f"""
import os, subprocess, sys
middle = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
subprocess.run([sys.executable, "-c", middle, {BURN!r}], check=True)
print(sum(os.times()[:4]), flush=True)
sys.stdin.read()
"""
SHARED_MIB = 100
SHARING = f"""
import os, sys
block = bytearray(os.urandom(1) * ({SHARED_MIB} * 1024 * 1024))
child = os.fork()
if child == 0:
    os.read(0, 1)
    os._exit(0)
print("shared", flush=True)
sys.stdin.read()
"""


@contextmanager
def running(code: str) -> Iterator[tuple[int, str]]:
    """A Python process, its id and the first line it said; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline()
        except BaseException:
            process.kill()  # it may be one that works for ever
            raise


def test_cpu_of_descendants_that_have_ended_is_counted() -> None:
    with running(DESCENDANTS) as (pid, said):
        assert len(tree(pid)) == 1
        assert cpu_seconds(pid) >= 0.5
        assert cpu_seconds(pid) == pytest.approx(float(said), abs=0.1)
        assert cpu_of({"it": pid}) == {"it": pytest.approx(float(said), abs=0.1)}


def test_memory_that_processes_share_is_counted_once() -> None:
    with running(SHARING) as (pid, _), PeakMemory(pid) as peak:
        assert len(tree(pid)) == 2
        assert SHARED_MIB < resident_mb(pid) < 1.5 * SHARED_MIB
        wait_until(lambda: peak.mb > 0, 10, "a sample")
    # The process has ended: what is kept is the peak.
    assert resident_mb(pid) == 0
    assert SHARED_MIB < peak.mb < 1.5 * SHARED_MIB


def test_a_tree_that_works_is_not_quiet() -> None:
    with running("print(flush=True)\nwhile True: pass") as (pid, _):
        with pytest.raises(TimeoutError, match="busy still work"):
            wait_until_quiet({"busy": pid}, seconds=0)
        os.kill(pid, signal.SIGTERM)
    wait_until_quiet({"ended": pid}, seconds=0)
