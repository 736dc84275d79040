"""The stack under test: the local stack with a second worker, links that can be cut, and small scratch disks."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from gallery.errors import GalleryError
from gallery.local.credentials import Credentials
from gallery.local.definition import NAMES, PARTS, STACK, PartName
from gallery.local.info import StackInfo
from gallery.local.parts.worker import NAME as FIRST_WORKER
from gallery.local.parts.worker import worker_part
from gallery.local.plan import StackPlan
from gallery.local.set_up import set_up_stack
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import Part, StackSpec
from gallery.local.supervisor.ports import HOST, is_free
from gallery.local.supervisor.stack import Stack
from gallery.settings import load_stack_settings
from tests.chaos.links import Link, Network
from tests.chaos.schedule import CONNECTIONS, WORKERS
from tests.conftest import PROJECT, clean_environment, free_ports, without_waiting_for_the_disk

SPEC = StackSpec(NAMES, {**STACK.parts, WORKERS[1]: replace(PARTS["worker"], title="the second Prefect worker")})
# Small windows, so that small galleries have several; one decoder a run, for there are many runs and few processors. A
# run has a minute to start, and five to make progress: more than it takes here, less than people are patient.
SETTINGS = {"GALLERY_WINDOW": "8", "GALLERY_PROCESSORS": "1", "GALLERY_START_MINUTES": "1"}
DISK_BYTES = 32 * 1024 * 1024
# Between two starts of a part that ends again, as systemd's RestartSec.
RESTART_SECONDS = 5.0


class ChaosStack:
    """Runs while its block does, and leaves nothing running, whatever happens."""

    def __init__(self, home: Path) -> None:
        self.home = home
        make_private_folder(home, NAMES.home_variable)
        ports = free_ports()
        self._environment = clean_environment(**ports, **SETTINGS)
        self._configured = load_stack_settings(self._environment).ports()
        self._ports = {name: int(ports[spec.port.variable]) for name, spec in STACK.parts.items() if spec.port}
        self._stack = Stack(home, SPEC, self._environment)
        self.network = Network()
        free = (port for port in itertools.count(max(self._ports.values()) + 1) if is_free(port))
        self.links: Mapping[tuple[str, str], Link] = {
            (client, server): self.network.link(next(free), self._ports[server]) for client, server in CONNECTIONS
        }
        self.disks = {worker: Disk(home / "disks" / worker) for worker in WORKERS}
        self._log_numbers = itertools.count(1)
        self._down: Counter[str] = Counter()
        self._started: dict[str, float] = {}
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> ChaosStack:
        with ExitStack() as stack:
            stack.callback(self.network.close)
            for disk in self.disks.values():
                stack.enter_context(disk.mounted())
            stack.callback(self._end)
            set_up = set_up_stack(PROJECT, self._environment)
            self._stack.start(
                frozenset(SPEC.parts), self._part, self._configured, attached=True, set_up=lambda: set_up(self.info)
            )
            without_waiting_for_the_disk(self.info, self.home)
            self._keeper.start()
            self._takes_down = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._takes_down.close()

    def _end(self) -> None:
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for process in self.everything():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._stack.stop()

    @property
    def info(self) -> StackInfo:
        """Addresses of the servers themselves, past all links."""
        return self._plan.info(self._stack.pids())

    @property
    def environment(self) -> dict[str, str]:
        """That of a process that uses the servers past all links."""
        return self.info.process_environment(self._environment)

    @property
    def _plan(self) -> StackPlan:
        credentials = Credentials.load(self.home / "credentials.json")
        return StackPlan(self.home, PROJECT, self._environment, credentials, self._ports)

    def _part(self, name: str, _: Mapping[str, int]) -> Part:
        """A part of the local stack, with the addresses of its own links in place of the servers'."""
        log = self.home / "logs" / f"{name}.log"
        part = self._second_worker(log) if name == WORKERS[1] else self._plan.part(_part_name(name))

        def prepare() -> None:
            # The supervisor keeps one former log; all of them are evidence.
            if log.exists():
                log.rename(log.with_suffix(f".{next(self._log_numbers):03}.log"))
            part.prepare()

        return replace(part, environment={**part.environment, **self._addresses(name)}, prepare=prepare)

    def _second_worker(self, log: Path) -> Part:
        part = worker_part(self.environment, PROJECT, log, self.home / "tmp-two")
        command = tuple(WORKERS[1] if word == FIRST_WORKER else word for word in part.command)
        started = f"Worker '{WORKERS[1]}' started!"
        return replace(
            part,
            name=WORKERS[1],
            command=command,
            is_ready=lambda: log.exists() and started in log.read_text(encoding="utf-8", errors="replace"),
        )

    def _addresses(self, name: str) -> dict[str, str]:
        if name == "prefect_server":
            url = make_url(self._plan.postgres.prefect_url()).set(port=self.links[name, "postgres"].port)
            return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url.render_as_string(hide_password=False)}
        if (name, "postgres") not in self.links:
            return {}
        catalogue = make_url(self.info.database_url).set(port=self.links[name, "postgres"].port)
        addresses = {
            "GALLERY_DATABASE_URL": catalogue.render_as_string(hide_password=False),
            "GALLERY_S3_ENDPOINT_URL": f"http://{HOST}:{self.links[name, 's3'].port}",
            # Callers reach S3 by a way of their own.
            "GALLERY_S3_PUBLIC_ENDPOINT_URL": self.info.s3_endpoint_url,
            "PREFECT_API_URL": f"http://{HOST}:{self.links[name, 'prefect_server'].port}/api",
        }
        return addresses | ({"GALLERY_SCRATCH_DIR": str(self.disks[name].scratch)} if name in self.disks else {})

    # Who restarts what is dead: nobody in the local stack, systemd elsewhere, and here `_keep`.

    def _keep(self) -> None:
        while not self._stopping.wait(0.5):
            for name, runs in self._stack.running().items():
                rested = time.monotonic() - self._started.get(name, 0.0) > RESTART_SECONDS
                if not runs and not self._down[name] and rested and not self._stopping.is_set():
                    self._started[name] = time.monotonic()
                    # What is wrong, its log says; it is started again.
                    with suppress(GalleryError, OSError, psutil.Error):
                        self._stack.start(frozenset({name}), self._restarted, self._configured, attached=True)

    def _restarted(self, name: str, ports: Mapping[str, int]) -> Part:
        """Started and left alone: what it needs may be away just now, and is started next."""
        return replace(self._part(name, ports), is_ready=lambda: True, port=None, finish=lambda: None)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """A part that is killed stays down while the block runs."""
        self._down[name] += 1
        try:
            yield
        finally:
            self._down[name] -= 1

    # Which process is which.

    def part(self, name: str) -> list[psutil.Process]:
        """A part's process and what belongs to it; for a worker without its runs."""
        pid = self._stack.pids().get(name)
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return [process] if name in WORKERS else [process, *process.children(recursive=True)]
        return []

    def runs(self) -> list[psutil.Process]:
        """Processes of flow runs, oldest first, also those whose worker is gone."""
        return [process for process in self.everything() if "prefect.engine" in _command(process)]

    def decoders(self) -> list[psutil.Process]:
        """Decoder subprocesses of all runs."""
        return [process for process in self.everything() if "multiprocessing.spawn" in _command(process)]

    def backends(self) -> list[psutil.Process]:
        """PostgreSQL's processes that serve a client."""
        return [process for process in self.part("postgres") if f" {HOST}(" in _command(process)]

    def everything(self) -> list[psutil.Process]:
        """All processes of the stack, oldest first."""
        token = {NAMES.token_variable: Home(self.home, NAMES).load().token}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if token.items() <= process.environ().items() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((process.create_time(), process.pid, process))
        return [process for _, _, process in sorted(found, key=lambda item: item[:2])]


def _part_name(name: str) -> PartName:
    return next(part for part in PARTS if part == name)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Disk:
    """A small disk for a worker's scratch folder. Without the right to mount one, the folder is on the usual disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scratch = folder / "scratch"
        self.is_small = False

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """It is there while the block runs."""
        self._folder.mkdir(parents=True)
        options = f"size={DISK_BYTES},mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._folder)]
        with suppress(FileNotFoundError):
            self.is_small = subprocess.run(command, capture_output=True, check=False).returncode == 0
        try:
            yield
        finally:
            if self.is_small:
                subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)

    @contextmanager
    def full(self) -> Iterator[None]:
        """While the block runs, not a byte more fits on it."""
        filler = self._folder / "filler"
        try:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                for size in (1 << 20, 1 << 12, 1):
                    with suppress(OSError):
                        while file.write(b"\0" * size):
                            pass
            yield
        finally:
            filler.unlink(missing_ok=True)
