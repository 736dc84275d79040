"""Starting, stopping and describing the local stack."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import cast

from gallery.errors import ConfigurationError
from gallery.local.credentials import Credentials
from gallery.local.definition import ALL_PARTS, NAMES, STACK, PartName
from gallery.local.info import StackInfo
from gallery.local.plan import StackPlan, embedded
from gallery.local.record import PLACES, differing, record_of, with_record
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.stack import Progress, Stack
from gallery.local.supervisor.stopping import silent
from gallery.settings import load_stack_settings


class LocalStack:
    """The stack whose state is in `home`, running the flows of `project`.

    `environment` decides what is embedded and what is elsewhere: GALLERY_DATABASE_URL,
    GALLERY_S3_ENDPOINT_URL or AWS_ENDPOINT_URL_S3, and PREFECT_API_URL name servers elsewhere. While any part runs,
    what the stack was started with decides; an environment that contradicts it is refused by all but `stop`.
    """

    def __init__(self, home: Path, project: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.home = home.absolute()
        self.project = project.absolute()
        self.environment = dict(environment)
        self._stack = Stack(self.home, STACK, self.environment)

    @property
    def started_here(self) -> bool:
        """Whether `start` found nothing running: its caller then decides when the stack stops."""
        return self._stack.started_here

    def start(
        self,
        attached: bool = False,
        progress: Progress = silent,
        parts: Iterable[PartName] = ALL_PARTS,
        set_up: Callable[[StackInfo], None] | None = None,
    ) -> StackInfo:
        """Start those of `parts`, and of what they need, that are not running yet; return when all are ready.

        `set_up` is called once the servers are ready, before worker and API start, unless both were running
        already. `attached`: whatever this call starts is stopped when the calling process ends, however it ends;
        a stack that was running before is not affected. If anything fails, what this call started is stopped.

        Raises `ConfigurationError` for what the user can fix (a busy port, another user's folder, other servers than
        those of the running stack), and `GalleryError` with the end of its log for a part that does not start.
        """
        for folder in (self.home, self.home / "scratch"):
            make_private_folder(folder, NAMES.home_variable)
        environment = self._agreed_environment()
        if self._stack.pids() and self._stack.settings() is None:
            raise ConfigurationError(
                f"the stack in {self.home} was started by an earlier release, and does not say which servers it uses: "
                f"stop it with `{NAMES.command} down`, then start it again"
            )
        self._tell_of_former_servers(environment, progress)

        def set_up_servers() -> None:
            if set_up is not None:
                progress("setting up buckets, tables, work pool and deployments")
                set_up(self._info(environment, self._stack.pids()))

        self._stack.start(
            embedded(STACK.with_needed(frozenset(parts)), environment),
            partial(self._part, environment),
            load_stack_settings(environment).ports(),
            settings=record_of(environment),
            attached=attached,
            progress=progress,
            set_up=set_up_servers if set_up is not None else None,
        )
        return self._info(environment, self._stack.pids())

    def stop(self, progress: Progress = silent) -> None:
        """End every process of the stack, whoever started it; its data stays."""
        self._stack.stop(progress)

    def detach(self) -> None:
        """Let the stack outlive this process (`--keep`)."""
        self._stack.detach()

    def running(self) -> dict[str, bool]:
        """Which parts' processes are alive."""
        return self._stack.running()

    def info(self) -> StackInfo | None:
        """Where the running stack is; None if no part of it runs.

        Raises `ConfigurationError` where the caller's environment names other servers than it uses.
        """
        pids = self._stack.pids()
        return self._info(self._agreed_environment(), pids) if pids else None

    def elsewhere(self) -> frozenset[str]:
        """The parts that are not the stack's own. Raises as `info`."""
        return frozenset(ALL_PARTS) - embedded(frozenset(ALL_PARTS), self._agreed_environment())

    def _agreed_environment(self) -> dict[str, str]:
        """The caller's environment; while any part runs, with the servers that the stack was started with."""
        record = self._stack.settings()
        if record is None or not self._stack.pids():
            return self.environment
        agreed = with_record(self.environment, record)
        if names := differing(self.environment, record, self._info(agreed, {}).variables):
            raise ConfigurationError(
                f"this shell has another {', '.join(names)} than the running stack in {self.home} was started with: "
                f"unset {'it' if len(names) == 1 else 'them'} to work with that stack, stop the stack with "
                f"`{NAMES.command} down`, or set {NAMES.home_variable} to another folder"
            )
        return agreed

    def _tell_of_former_servers(self, environment: Mapping[str, str], progress: Progress) -> None:
        """Say where galleries are that a stack does not show any more, since its starter's shell lacks variables."""
        former, now = self._stack.settings() or {}, record_of(environment)
        if lacking := [name for name in PLACES if name in former and name not in now]:
            progress(
                f"note: this stack was last started with {', '.join(lacking)}, which this shell does not set. It now "
                "uses its own servers and buckets instead, and the galleries of the others do not show"
            )

    def _info(self, environment: Mapping[str, str], pids: Mapping[str, int]) -> StackInfo:
        return self._plan(environment, self._stack.ports()).info(pids)

    def _part(self, environment: Mapping[str, str], name: str, ports: Mapping[str, int]) -> Part:
        return self._plan(environment, ports).part(cast(PartName, name))

    def _plan(self, environment: Mapping[str, str], ports: Mapping[str, int]) -> StackPlan:
        credentials = Credentials.load(self.home / "credentials.json")
        return StackPlan(self.home, self.project, environment, credentials, ports)
