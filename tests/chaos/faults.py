"""What happens to the parts of the stack; each fault is taken back after its time, or when the time of all is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psutil

from tests.chaos.actions import Refused
from tests.chaos.schedule import Step
from tests.chaos.stack import ChaosStack

# A fault of a run waits so many seconds for one to be there.
TARGET_SECONDS = 20.0


class Faults:
    """Inflicts the faults of a schedule; safe to use from many threads."""

    def __init__(self, stack: ChaosStack) -> None:
        self._stack = stack
        self.over = threading.Event()
        """Set when the time of all faults is up."""

    def do(self, step: Step) -> str:
        """Inflict a fault and wait until it is taken back; returns what it met. Raises `Refused`."""
        given = step.parameters
        family, _, part = step.kind.partition("-")
        match family:
            case "kill":
                return self._kill(part, given)
            case "freeze":
                return self._freeze(part, given)
            case "cut":
                link = self._stack.links[given["client"], part]
                if self._stack.network.is_cut(link):
                    raise Refused("it is cut already")
                with self._stack.network.cut(link, given["how"]):
                    self.over.wait(given["seconds"])
                return f"{given['client']} - {part}"
            case "full":
                disk = self._stack.disks[given["worker"]]
                if not disk.is_small:
                    raise Refused("no small disk could be mounted; that takes root")
                with disk.full():
                    self.over.wait(given["seconds"])
                return f"disk of {given['worker']}"
        raise ValueError(f"no such fault: {step}")

    def _kill(self, part: str, given: Mapping[str, Any]) -> str:
        if part in ("run", "decoder", "backend"):
            (victim,) = self._one_of(part, given["nth"])
            name = _name(victim)
            victim.kill()
            return name
        name = str(given.get("worker", part))
        with self._stack.down(name):
            victims = self._stack.part(name)
            if not victims:
                raise Refused(f"{name} is down already")
            # PostgreSQL's own processes end with the first of them, in their own way.
            for victim in victims[:1] if part == "postgres" else victims:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            self.over.wait(given["seconds"])
        return f"{name}, process {victims[0].pid}"

    def _freeze(self, part: str, given: Mapping[str, Any]) -> str:
        if part in ("run", "decoder", "backend"):
            victims = self._one_of(part, given["nth"])
        elif not (victims := self._stack.part(str(given.get("worker", part)))):
            raise Refused("it is down")
        name = _name(victims[0])
        try:
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.suspend()
            self.over.wait(given["seconds"])
        finally:
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.resume()
        return name

    def _one_of(self, part: str, nth: int) -> Sequence[psutil.Process]:
        """One process of those that come and go."""
        look: Callable[[], list[psutil.Process]] = {
            "run": self._stack.runs,
            "decoder": self._stack.decoders,
            "backend": self._stack.backends,
        }[part]
        end = time.monotonic() + TARGET_SECONDS
        while not (found := look()):
            if time.monotonic() > end or self.over.wait(0.5):
                raise Refused(f"there is no {part}")
        return [found[nth % len(found)]]


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        run = process.environ().get("PREFECT__FLOW_RUN_ID")
        return f"process {process.pid}" + (f" of run {run}" if run else "")
    return f"process {process.pid}"
