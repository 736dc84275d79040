"""Starting, stopping and describing the local stack."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gallery.errors import GalleryError
from gallery.local.credentials import Credentials
from gallery.local.info import StackInfo
from gallery.local.plan import Plan, embedded
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.parts import ALL_PARTS, ENDINGS, TITLES, Part, PartName, with_needed
from gallery.local.supervisor.ports import VARIABLES, choose_port, is_free
from gallery.local.supervisor.processes import PART_VARIABLE, TOKEN_VARIABLE, end, family, find, listens, spawn
from gallery.local.supervisor.state import StackState, locked
from gallery.local.supervisor.watchdog import Watchdog

Progress = Callable[[str], None]

# Parts of a phase start side by side; a phase begins when the one before it is ready.
SERVERS: tuple[tuple[PartName, ...], ...] = (("postgres", "s3"), ("prefect_server",))
USERS: tuple[PartName, ...] = ("worker", "api")


def _silent(_: str) -> None:
    """Progress that nobody wants to see."""


class LocalStack:
    """The stack whose state lies in `home`, running the flows of `project`.

    `environment` decides what is embedded and what is elsewhere: GALLERY_DATABASE_URL,
    GALLERY_S3_ENDPOINT_URL or AWS_ENDPOINT_URL_S3, and PREFECT_API_URL name servers elsewhere.
    """

    def __init__(self, home: Path, project: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.home = home.absolute()
        self.project = project.absolute()
        self.environment = dict(environment)
        self.started_here = False
        """Whether `start` found nothing running, so that ending it is this object's business."""
        self._watchdog: Watchdog | None = None

    def start(
        self,
        attached: bool = False,
        progress: Progress = _silent,
        parts: Iterable[PartName] = ALL_PARTS,
        set_up: Callable[[StackInfo], None] | None = None,
    ) -> StackInfo:
        """Start those of `parts`, and of what they need, that do not run yet; return when all are ready.

        `set_up` is called once the servers are ready, before worker and API start, unless both ran
        already. `attached`: whatever this call started ends with the calling process, however that ends;
        a stack that ran before is not affected. If anything fails, what this call started is stopped.

        Raises `ConfigurationError` for what the caller can mend (a busy port, another user's folder), and
        `GalleryError` with the end of its log for a part that does not start.
        """
        self._make_folders()
        with locked(self._lock, progress):
            wanted = embedded(with_needed(frozenset(parts)), self.environment)
            state = StackState.load(self._state)
            running = frozenset(name for name in ALL_PARTS if find(state.processes.get(name)))
            self.started_here = not running
            if self.started_here:
                state = replace(state, attachment=secrets.token_hex(8) if attached else None).save(self._state)
                if state.attachment:
                    self._watchdog = Watchdog.start(self.home, state.attachment, self.environment)
            try:
                return self._start_on_free_ports(wanted, running, progress, set_up)
            except BaseException:
                self._end(frozenset(ALL_PARTS) - running, _silent)
                self._dismiss_watchdog()
                raise

    def stop(self, progress: Progress = _silent, *, attachment: str | None = None) -> None:
        """End every process of the stack, whoever started it; its data stays.

        With `attachment`, only a stack that was started as that one (for the watchdog).
        """
        if self._state.exists():
            with locked(self._lock, progress):
                if attachment is None or StackState.load(self._state).attachment == attachment:
                    self._end(frozenset(ALL_PARTS), progress)
        self._dismiss_watchdog()

    def detach(self) -> None:
        """Let the stack outlive this process (`--keep`)."""
        with locked(self._lock, _silent):
            replace(StackState.load(self._state), attachment=None).save(self._state)
        self._dismiss_watchdog()

    def running(self) -> dict[PartName, bool]:
        """Which parts' processes are alive."""
        state = StackState.load(self._state)
        return {name: find(state.processes.get(name)) is not None for name in ALL_PARTS}

    def info(self) -> StackInfo | None:
        """Where the running stack is; None where no part of it runs."""
        state = StackState.load(self._state)
        if not any(find(record) for record in state.processes.values()):
            return None
        return self._info(state)

    @property
    def _state(self) -> Path:
        return self.home / "stack.json"

    @property
    def _lock(self) -> Path:
        return self.home / "stack.lock"

    def _make_folders(self) -> None:
        make_private_folder(self.home)
        for name in ("logs", "scratch"):
            make_private_folder(self.home / name)

    def _plan(self, state: StackState) -> Plan:
        credentials = Credentials.load(self.home / "credentials.json")
        return Plan(self.home, self.project, self.environment, credentials, state.ports)

    def _info(self, state: StackState) -> StackInfo:
        alive = {name: record.pid for name, record in state.processes.items() if find(record)}
        return self._plan(state).info(alive)

    def _choose_ports(self, wanted: frozenset[PartName], running: frozenset[PartName]) -> frozenset[PartName]:
        """Fix everybody's port; returns the parts that go on running.

        A running part that talks to one whose port changes is ended, to start anew.
        """
        state = StackState.load(self._state)
        ports: dict[str, int] = {
            name: state.ports[name] for name in VARIABLES if name in running and name in state.ports
        }
        for name in sorted(VARIABLES.keys() - ports.keys(), key=lambda name: name not in wanted):
            taken = frozenset(ports.values())
            ports[name] = choose_port(name, self.environment, state.ports.get(name), taken, used=name in wanted)
        moved = frozenset(name for name in VARIABLES if state.ports.get(name) not in (None, ports[name]))
        misled = frozenset(name for name in running if with_needed(frozenset({name})) & moved)
        replace(state, ports=ports).save(self._state)
        self._end(misled, _silent)
        return running - misled

    def _start_on_free_ports(
        self,
        wanted: frozenset[PartName],
        running: frozenset[PartName],
        progress: Progress,
        set_up: Callable[[StackInfo], None] | None,
    ) -> StackInfo:
        """Start, and start again where another program took a port between its choice and its use.

        That is no theory: Prefect's server needs seconds from one to the other, and a second stack may
        start at the same time.
        """
        for last in (False, False, True):
            kept = self._choose_ports(wanted, running)
            try:
                return self._start(wanted, kept, progress, set_up)
            except _PortTaken as taken:
                if last:
                    raise GalleryError(str(taken)) from None
                progress(str(taken))
                self._end(frozenset(ALL_PARTS) - kept, _silent)
        raise AssertionError("unreachable")

    def _start(
        self,
        wanted: frozenset[PartName],
        running: frozenset[PartName],
        progress: Progress,
        set_up: Callable[[StackInfo], None] | None,
    ) -> StackInfo:
        for phase in SERVERS:
            self._start_phase([name for name in phase if name in wanted], running, progress)
        if set_up is not None and not running.issuperset(wanted & frozenset(USERS) or wanted):
            progress("setting up buckets, tables, work pool and deployments")
            set_up(self._info(StackState.load(self._state)))
        self._start_phase([name for name in USERS if name in wanted], running, progress)
        return self._info(StackState.load(self._state))

    def _start_phase(self, names: Sequence[PartName], running: frozenset[PartName], progress: Progress) -> None:
        plan = self._plan(StackState.load(self._state))
        parts = [plan.part(name) for name in names]
        for part in parts:
            if part.name not in running:
                self._launch(part, plan.log(part.name))
        self._wait(parts, plan, progress, running)
        for part in parts:
            part.finish()

    def _launch(self, part: Part, log: Path) -> None:
        self._end(frozenset({part.name}), _silent)  # orphans of one that died
        part.prepare()
        self._spawn(part, log)

    def _spawn(self, part: Part, log: Path) -> None:
        state = StackState.load(self._state)
        marks = {TOKEN_VARIABLE: state.token, PART_VARIABLE: part.name}
        record = spawn(part.command, {**part.environment, **marks}, part.folder, log)
        state.with_process(part.name, record).save(self._state)

    def _wait(self, parts: Sequence[Part], plan: Plan, progress: Progress, running: frozenset[PartName]) -> None:
        started = time.monotonic()
        waiting, kept = list(parts), set(running)
        while waiting:
            for part in list(waiting):
                elapsed, log = time.monotonic() - started, plan.log(part.name)
                process = find(StackState.load(self._state).processes.get(part.name))
                if process is None and part.name in kept:
                    kept.discard(part.name)  # it was just dying when it was taken for running
                    self._launch(part, log)
                elif process is None:
                    self._respawn_or_fail(part, log, elapsed)
                elif listens(process, part.port) and part.is_ready():
                    waiting.remove(part)
                    progress(f"{part.title} {'runs' if part.name in kept else 'is up'} ({elapsed:.1f} s)")
                elif elapsed > part.start_seconds:
                    raise _failure(part, log, f"was not ready within {part.start_seconds:.0f} s")
            time.sleep(0.03)

    def _respawn_or_fail(self, part: Part, log: Path, elapsed: float) -> None:
        if part.port is not None and not is_free(part.port):
            raise _PortTaken(f"port {part.port} for {part.title} was taken by another program meanwhile")
        passing = bool(part.passing_failure) and part.passing_failure in _tail(log)
        if not passing or elapsed > part.start_seconds:
            raise _failure(part, log, "ended at once")
        self._spawn(part, log)

    def _end(self, names: frozenset[PartName], progress: Progress) -> None:
        for name in reversed(ALL_PARTS):
            if name not in names:
                continue
            state = StackState.load(self._state)
            # Again, for a worker may have started one more flow run while it was asked to end.
            for _ in range(3):
                record = state.processes.get(name)
                if not (processes := family(record, state.token, name)):
                    break
                progress(f"stopping {TITLES[name]}")
                end(processes, ENDINGS[name], find(record))
            state.with_process(name, None).save(self._state)

    def _dismiss_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None


class _PortTaken(Exception):
    """A part found its port busy that was free when it was chosen."""


def _failure(part: Part, log: Path, what: str) -> GalleryError:
    return GalleryError(f"{part.title} {what}; its log {log} ends:\n{_tail(log) or '(nothing)'}")


def _tail(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-lines:])
    except FileNotFoundError:
        return ""
