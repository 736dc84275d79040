"""Decoders with planted faults; run in the pool's subprocesses, by the name of the file they are given."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from gallery.imaging import child
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenderedImage


def peak_bytes() -> int:
    """The most that this process has held resident (proc(5), VmHWM)."""
    status = Path("/proc/self/status")
    return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0]) if status.exists() else 0


def faulty_render(source: Path, out_dir: Path, recipe: Recipe, limits: Limits, memory: int) -> RenderedImage:
    match source.stem:
        case "abort":
            os.abort()
        case "loop":
            while True:
                pass
        case "hunger":
            child.limit_memory(memory)
            hoard = [bytearray(64 << 20) for _ in range(1000)]
            raise AssertionError(f"{len(hoard)} blocks were to be had")
        case "killed-once":
            if not (out_dir / "was here").exists():
                (out_dir / "was here").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        case "report":
            facts = {
                "pid": os.getpid(),
                "modules": sorted(sys.modules),
                "main": getattr(sys.modules["__main__"], "__file__", None),
                "peak": peak_bytes(),
                "blocks": os.environ.get("PILLOW_BLOCK_SIZE"),
            }
            return RenderedImage(1, 1, json.dumps(facts), "", {}, ())
    return child.render_file(source, out_dir, recipe, limits, memory)
