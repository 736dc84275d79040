"""Starting the parts of a stack, in the order in which they need one another."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gallery.errors import ConfigurationError, GalleryError
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import Part, StackSpec
from gallery.local.supervisor.ports import choose_port, is_free
from gallery.local.supervisor.processes import find, listens, spawn
from gallery.local.supervisor.stopping import end_parts

PartFactory = Callable[[str, Mapping[str, int]], Part]
"""How to run the part of this name, given the ports of all parts."""


class Start:
    """One start of a stack. The caller holds the stack's lock."""

    def __init__(
        self,
        home: Home,
        spec: StackSpec,
        part_of: PartFactory,
        configured_ports: Mapping[str, str | None],
        progress: Callable[[str], None],
    ) -> None:
        self._home, self._spec, self._progress = home, spec, progress
        self._part_of, self._configured_ports = part_of, configured_ports

    def run(self, wanted: frozenset[str], running: frozenset[str], set_up: Callable[[], None] | None) -> None:
        """Start, and start again if another program took a port between its choice and its use.

        This does happen: some servers need seconds from one to the other, and a second stack may start at the same
        time.
        """
        for last in (False, False, True):
            kept = self._choose_ports(wanted, running)
            try:
                self._start(wanted, kept, set_up)
                return
            except _PortTaken as taken:
                if last:
                    raise GalleryError(str(taken)) from None
                self._progress(str(taken))
                self._end(self._spec.parts.keys() - kept)

    def _choose_ports(self, wanted: frozenset[str], running: frozenset[str]) -> frozenset[str]:
        """Fix the port of every part that has one; returns the parts that keep running.

        A running part that talks to one whose port changes is ended, so that it starts with the new port.
        """
        state = self._home.load()
        specs = {name: part.port for name, part in self._spec.parts.items() if part.port is not None}
        ports = {name: state.ports[name] for name in specs if name in running and name in state.ports}
        for name, port in ports.items():
            if (configured := self._configured_ports.get(specs[name].variable)) not in (None, str(port)):
                raise ConfigurationError(
                    f"{specs[name].variable} is {configured}, but {self._spec.parts[name].title} runs on port {port}: "
                    f"unset it, or end the stack first with `{self._home.names.command} down`"
                )
        for name in sorted((name for name in specs if name not in ports), key=lambda name: name not in wanted):
            ports[name] = choose_port(
                specs[name],
                self._spec.parts[name].title,
                self._configured_ports.get(specs[name].variable),
                state.ports.get(name),
                frozenset(ports.values()),
                used=name in wanted,
            )
        moved = frozenset(name for name in specs if state.ports.get(name) not in (None, ports[name]))
        outdated = frozenset(name for name in running if self._spec.with_needed(frozenset({name})) & moved)
        self._home.save(replace(state, ports=ports))
        self._end(outdated)
        return running - outdated

    def _start(self, wanted: frozenset[str], running: frozenset[str], set_up: Callable[[], None] | None) -> None:
        after_set_up = frozenset(name for name in wanted if self._spec.parts[name].after_set_up)
        self._start_in_phases(wanted - after_set_up, running)
        if set_up is not None and not running >= (after_set_up or wanted):
            set_up()
        self._start_in_phases(after_set_up, running)

    def _start_in_phases(self, wanted: frozenset[str], running: frozenset[str]) -> None:
        """Start parts that do not need each other side by side, and each phase when the one before it is ready."""
        for phase in self._spec.phases():
            ports = self._home.load().ports
            parts = [self._part_of(name, ports) for name in phase if name in wanted]
            for part in parts:
                if part.name not in running:
                    self._launch(part)
            self._wait(parts, running)
            for part in parts:
                part.finish()

    def _launch(self, part: Part) -> None:
        self._end({part.name})  # what a former process of this part left behind
        part.prepare()
        self._spawn(part)

    def _spawn(self, part: Part) -> None:
        state = self._home.load()
        marks = self._home.names.marks(state.token, part.name)
        record = spawn(part.command, {**part.environment, **marks}, part.folder, self._home.log(part.name))
        self._home.save(state.with_process(part.name, record))

    def _wait(self, parts: Sequence[Part], running: frozenset[str]) -> None:
        started = time.monotonic()
        waiting, kept = list(parts), set(running)
        while waiting:
            for part in list(waiting):
                elapsed = time.monotonic() - started
                process = find(self._home.load().processes.get(part.name))
                if process is None and part.name in kept:
                    kept.discard(part.name)  # it was about to end when it was found running
                    self._launch(part)
                elif process is None:
                    self._respawn_or_fail(part, elapsed)
                elif listens(process, part.port) and part.is_ready():
                    waiting.remove(part)
                    title = self._spec.parts[part.name].title
                    self._progress(f"{title} {'runs' if part.name in kept else 'is up'} ({elapsed:.1f} s)")
                elif elapsed > part.start_seconds:
                    raise self._failure(part, f"was not ready within {part.start_seconds:.0f} s")
            time.sleep(0.03)

    def _respawn_or_fail(self, part: Part, elapsed: float) -> None:
        if part.port is not None and not is_free(part.port):
            title = self._spec.parts[part.name].title
            raise _PortTaken(f"port {part.port} for {title} was taken by another program meanwhile")
        transient = bool(part.transient_failure) and part.transient_failure in _tail(self._home.log(part.name))
        if not transient or elapsed > part.start_seconds:
            raise self._failure(part, "ended at once")
        self._spawn(part)

    def _end(self, parts: Collection[str]) -> None:
        end_parts(self._home, parts, self._spec.endings)

    def _failure(self, part: Part, what: str) -> GalleryError:
        title, log = self._spec.parts[part.name].title, self._home.log(part.name)
        return GalleryError(f"{title} {what}; its log {log} ends:\n{_tail(log) or '(nothing)'}")


class _PortTaken(Exception):
    """Raised when a part finds its port busy that was free when it was chosen."""


def _tail(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-lines:])
    except FileNotFoundError:
        return ""
