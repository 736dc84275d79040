"""A set of processes on this machine that are started and stopped together."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gallery.errors import ConfigurationError
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import StackSpec
from gallery.local.supervisor.processes import find
from gallery.local.supervisor.starting import PartFactory, Start
from gallery.local.supervisor.stopping import end_all, end_parts, silent
from gallery.local.supervisor.watchdog import Watchdog

Progress = Callable[[str], None]


class Stack:
    """The stack whose state is in `folder`.

    `environment` is the one that the watchdog gets; every part brings its own.
    """

    def __init__(self, folder: Path, spec: StackSpec, environment: Mapping[str, str] = os.environ) -> None:
        self.started_here = False
        """Whether `start` found nothing running: its caller then decides when the stack stops."""
        self._home = Home(folder, spec.names)
        self._spec = spec
        self._environment = dict(environment)
        self._watchdog: Watchdog | None = None

    def start(
        self,
        wanted: frozenset[str],
        part_of: PartFactory,
        configured_ports: Mapping[str, str | None],
        *,
        settings: Mapping[str, str] | None = None,
        attached: bool = False,
        progress: Progress = silent,
        set_up: Callable[[], None] | None = None,
    ) -> None:
        """Start those parts of `wanted` that are not running yet; return when all are ready.

        `configured_ports` are the ports that the user fixed, by the variable that does so. `settings` are recorded
        for later commands, where nothing runs yet; else they must be those that are recorded.
        `set_up` is called once all parts that start before it are ready, unless all parts that start after it were
        running already. `attached`: whatever this call starts is stopped when the calling process ends, however it
        ends; a stack that was running before is not affected. If anything fails, what this call started is stopped.

        Raises `ConfigurationError` for what the user can fix (a busy port, another user's folder, a stack that another
        command has just started with other settings), and `GalleryError` with the end of its log for a part that
        does not start.
        """
        self._home.make()
        with self._home.locked(progress):
            state = self._home.load()
            running = frozenset(name for name in self._spec.parts if find(state.processes.get(name)))
            self.started_here = not running
            if self.started_here:
                recorded = None if settings is None else dict(settings)
                state = replace(state, attachment=secrets.token_hex(8) if attached else None, settings=recorded)
            elif None not in (settings, state.settings) and settings != state.settings:
                raise ConfigurationError(
                    f"another command has just started the stack in {self._home.folder} with other settings: "
                    f"end it with `{self._spec.names.command} down`, or repeat this command to see which they are"
                )
            self._home.save(replace(state, endings=dict(self._spec.endings)))
            if self.started_here and state.attachment:
                self._watchdog = Watchdog.start(self._home, state.attachment, self._environment)
            start = Start(self._home, self._spec, part_of, configured_ports, progress)
            try:
                start.run(wanted, running, set_up)
            except BaseException:
                if running:
                    end_parts(self._home, self._spec.parts.keys() - running, self._spec.endings)
                else:
                    end_all(self._home, self._spec.endings)
                self._dismiss_watchdog()
                raise

    def stop(self, progress: Progress = silent) -> None:
        """End every process of the stack, whoever started it; its data stays."""
        if self._home.state_file.exists():
            with self._home.locked(progress):
                parts = self._spec.parts
                end_all(self._home, self._spec.endings, lambda name: progress(f"stopping {parts[name].title}"))
        self._dismiss_watchdog()

    def detach(self) -> None:
        """Let the stack outlive this process."""
        with self._home.locked(silent):
            self._home.save(replace(self._home.load(), attachment=None))
        self._dismiss_watchdog()

    def running(self) -> dict[str, bool]:
        """Which parts' processes are alive."""
        processes = self._home.load().processes
        return {name: find(processes.get(name)) is not None for name in self._spec.parts}

    def pids(self) -> dict[str, int]:
        """The process ids of the parts that are alive, by part."""
        return {name: record.pid for name, record in self._home.load().processes.items() if find(record)}

    def ports(self) -> dict[str, int]:
        """The ports that were chosen at the last start, by part."""
        return self._home.load().ports

    def settings(self) -> dict[str, str] | None:
        """What the stack was started with, by variable; values are kept while it runs. None if that is not known."""
        return self._home.load().settings

    def _dismiss_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
