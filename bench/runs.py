"""One run of one variant: staged, observed, measured, taken away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.measuring import PeakMemory, cpu_of, machine_cpu_seconds, wait_until_quiet
from bench.results import Measured
from bench.servers import PROJECT, Servers
from bench.staging import StagedGallery, take_away, timeline
from gallery.errors import GalleryError


@dataclass(frozen=True, slots=True)
class Observed:
    """What only the variant's own processes show: when it was told to begin, their CPU seconds, their peak in MiB."""

    began: datetime
    cpu_seconds: float
    peak_rss_mb: float
    front_door_seconds: float | None = None


def measure(servers: Servers, staged: StagedGallery, images: int, observe: Callable[[], Observed]) -> Measured:
    """Run a variant, and measure it and what it makes the servers do, until they are through with it."""
    try:
        wait_until_quiet(servers.roots)
        before, machine, began = cpu_of(servers.roots), machine_cpu_seconds(), time.monotonic()
        observed = observe()
        machine, elapsed = machine_cpu_seconds() - machine, time.monotonic() - began
        ours = observed.cpu_seconds + sum(cpu_of(servers.roots).values()) - sum(before.values())
        # Prefect's server and PostgreSQL go on writing for seconds after a run's end.
        wait_until_quiet(servers.roots)
        spent = {name: after - before[name] for name, after in cpu_of(servers.roots).items()}
        times = timeline(servers, staged.upload_id)
    finally:
        take_away(servers, staged.gallery_id)
    return Measured(
        images=images,
        seconds=(times.last_save - times.attempt_began).total_seconds(),
        seconds_in_all=(times.last_save - observed.began).total_seconds(),
        seconds_to_first_image=(times.first_save - observed.began).total_seconds(),
        cpu_seconds={"worker": observed.cpu_seconds, **spent},
        peak_rss_mb=observed.peak_rss_mb,
        other_load=max(0.0, machine - ours) / elapsed,
        front_door_seconds=observed.front_door_seconds,
    )


def observe_program(
    servers: Servers, module: str, staged: StagedGallery, python: Path = Path(sys.executable)
) -> Observed:
    """Run a variant's program as a process of its own. Raises `GalleryError` with the end of its log."""
    log = servers.home / "logs" / f"{module}.log"
    command: Sequence[str] = (str(python), "-m", module, staged.gallery_id, staged.upload_id)
    with log.open("wb") as output:
        began = datetime.now(UTC)
        process = subprocess.Popen(
            command, cwd=PROJECT, env=dict(servers.environment), stdout=output, stderr=subprocess.STDOUT
        )
        with PeakMemory(process.pid) as memory:
            # The one way to learn what an ended process and its waited-for descendants have used: wait4(2).
            _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        raise GalleryError(f"{module} ended with status {process.returncode}; its log {log} ends:\n{end}")
    return Observed(began, usage.ru_utime + usage.ru_stime, memory.mb)
