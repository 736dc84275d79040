"""The supervisor on processes that do nothing, without any server of this project."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from gallery.errors import ConfigurationError, GalleryError
from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import Ending, Names, Part, PartSpec, StackSpec
from gallery.local.supervisor.ports import PortSpec, choose_port, is_free
from gallery.local.supervisor.stack import Stack
from gallery.local.supervisor.state import StackState
from tests.conftest import PROJECT

NAMES = Names("acme", "ACME_HOME", "ACME_TOKEN", "ACME_PART")
# Says that it is ready, and that it was asked to end.
SLEEPER = """
import signal, sys, time
def end(number, _):
    print("ended by", signal.Signals(number).name, flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
time.sleep(600)
"""
# The same, with a server on the port that is its argument.
SERVER = "import socket, sys; server = socket.create_server(('127.0.0.1', int(sys.argv[1])))" + SLEEPER

SPEC = StackSpec(
    NAMES,
    {
        "base": PartSpec("the base", port=PortSpec("ACME_BASE_PORT", preferred=18_451)),
        "middle": PartSpec("the middle", needs=frozenset({"base"}), ending=Ending(signal.SIGINT, 5.0)),
        "top": PartSpec("the top", needs=frozenset({"middle"}), after_set_up=True),
    },
)
ALL = frozenset(SPEC.parts)


class Trial:
    """A stack of sleepers in a folder; what it was asked to do is recorded in `events`."""

    def __init__(self, folder: Path, spec: StackSpec = SPEC) -> None:
        self.folder, self.home = folder, Home(folder, spec.names)
        self.stack = Stack(folder, spec)
        self.events: list[str] = []
        self.code: dict[str, str] = {"base": SERVER}

    def part(self, name: str, ports: Mapping[str, int]) -> Part:
        log = self.home.log(name)
        return Part(
            name,
            (sys.executable, "-c", self.code.get(name, SLEEPER), str(ports.get(name))),
            dict(os.environ),
            self.folder,
            is_ready=lambda: "ready" in log.read_text(),
            port=ports.get(name),
            prepare=lambda: self.events.append(f"prepare {name}"),
            finish=lambda: self.events.append(f"finish {name}"),
            transient_failure="try again" if name == "middle" else "",
            start_seconds=30.0,
        )

    def start(
        self, wanted: frozenset[str] = ALL, configured: Mapping[str, str] = {}, *, attached: bool = False
    ) -> None:
        self.stack.start(
            wanted,
            self.part,
            configured or {},
            attached=attached,
            progress=self.events.append,
            set_up=lambda: self.events.append("set up"),
        )

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in self.stack.pids().values()]


@pytest.fixture
def new_trial(tmp_path: Path) -> Iterator[Callable[[], Trial]]:
    """Makes trials in one folder: the same stack, seen by another command each."""
    yield lambda: Trial(tmp_path / "home")
    Trial(tmp_path / "home").stack.stop()


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.02)


def test_parts_start_after_what_they_need_and_stop_in_the_opposite_order(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    trial.start()
    steps = [event for event in trial.events if event.split()[0] in ("prepare", "finish", "set")]
    base, middle, top = (["prepare " + name, "finish " + name] for name in ("base", "middle", "top"))
    assert steps == [*base, *middle, "set up", *top]
    assert trial.stack.running() == dict.fromkeys(ALL, True)
    messages: list[str] = []
    new_trial().stack.stop(messages.append)
    assert messages == ["stopping the top", "stopping the middle", "stopping the base"]
    assert trial.stack.running() == dict.fromkeys(ALL, False)
    assert "ended by SIGINT" in trial.home.log("middle").read_text()
    assert "ended by SIGTERM" in trial.home.log("top").read_text()


def test_a_part_that_died_is_started_again_and_the_others_are_kept(new_trial: Callable[[], Trial]) -> None:
    first = new_trial()
    first.start()
    before = first.stack.pids()
    psutil.Process(before["middle"]).kill()
    wait_for(lambda: "middle" not in first.stack.pids())
    second = new_trial()
    second.start()
    after = second.stack.pids()
    assert {name for name in ALL if before[name] != after[name]} == {"middle"}
    assert not second.stack.started_here
    assert "set up" not in second.events, "the part behind the set-up was running"


def test_a_transient_failure_is_started_again(new_trial: Callable[[], Trial], tmp_path: Path) -> None:
    trial = new_trial()
    flag = tmp_path / "was here"
    trial.code["middle"] = (
        f"import pathlib, sys\nflag = pathlib.Path({str(flag)!r})\n"
        f"if not flag.exists(): flag.touch(); sys.exit('try again')\n" + SLEEPER
    )
    trial.start()
    assert flag.exists()
    assert trial.stack.running()["middle"]


def test_a_failure_shows_the_log_and_stops_what_was_started(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    trial.code["top"] = "raise SystemExit('no top today')"
    with pytest.raises(GalleryError, match=r"(?s)the top ended at once; its log .*top\.log ends:\nno top today"):
        trial.start(attached=True)
    assert trial.stack.running() == dict.fromkeys(ALL, False)


def test_a_part_is_started_again_if_the_port_of_a_part_it_needs_changes(new_trial: Callable[[], Trial]) -> None:
    first = new_trial()
    first.start()
    before = first.stack.pids()
    psutil.Process(before["base"]).kill()
    wait_for(lambda: "base" not in first.stack.pids())
    other = next(port for port in range(18_500, 18_600) if is_free(port))
    second = new_trial()
    second.start(configured={"ACME_BASE_PORT": str(other)})
    after = second.stack.pids()
    assert second.stack.ports() == {"base": other}
    assert not set(before.values()) & set(after.values())


STARTER = """
import sys
from pathlib import Path
from tests.local.supervisor.test_stack import Trial
trial = Trial(Path(sys.argv[1]))
trial.start(attached=True)
if "detach" in sys.argv:
    trial.stack.detach()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("detach", [False, True], ids=["attached", "detached"])
def test_the_watchdog_stops_an_attached_stack_whose_starter_was_killed(
    new_trial: Callable[[], Trial], detach: bool
) -> None:
    trial = new_trial()
    command = [sys.executable, "-c", STARTER, str(trial.folder), *(["detach"] if detach else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        processes = trial.processes()
        assert len(processes) == 3
        starter.kill()
    if detach:
        assert trial.stack.running() == dict.fromkeys(ALL, True)
        return
    wait_for(lambda: not trial.home.load().processes)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert "ended by SIGINT" in trial.home.log("middle").read_text(), "the way to end it was not recorded"


def test_a_state_file_of_release_0_1_0_is_read_and_its_stack_stopped(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    trial.start()
    processes = trial.processes()
    stored = json.loads(trial.home.state_file.read_text())
    assert {*stored["processes"]["base"]} == {"pid", "created"}, "release 0.1.0 could not read this"
    del stored["endings"]
    trial.home.state_file.write_text(json.dumps(stored))
    assert trial.home.load().endings == {}
    new_trial().stack.stop()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert "ended by SIGINT" in trial.home.log("middle").read_text()


def test_processes_that_a_dead_part_left_behind_are_ended(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    trial.start(frozenset({"base"}))
    marks = NAMES.marks(trial.home.load().token, "top")
    orphan = subprocess.Popen(["sleep", "600"], env={**os.environ, **marks}, start_new_session=True)
    trial.stack.stop()
    orphan.wait(timeout=10)


def test_a_damaged_state_file_is_a_fresh_state() -> None:
    for text in (None, "", "{", "[]", '{"token": "x"}', '{"token": "x", "ports": {}, "processes": {"a": {}}}'):
        state = StackState.from_json(text)
        assert (state.ports, state.processes, len(state.token)) == ({}, {}, 32)
    state = StackState(endings={"a": Ending(signal.SIGINT, 3.0, children_first=True)})
    assert StackState.from_json(state.to_json()) == state


def test_another_command_waits_for_the_lock(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    trial.home.make()
    hold = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(); input()"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", hold, str(trial.folder / "stack.lock")]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        messages: list[str] = []

        def let_go(message: str) -> None:
            messages.append(message)
            holder.kill()

        with trial.home.locked(let_go):
            assert messages == ["waiting for another acme command to finish"]


def test_phases_follow_from_what_parts_need() -> None:
    assert SPEC.phases() == [["base"], ["middle"], ["top"]]
    assert SPEC.with_needed(frozenset({"top"})) == ALL
    circle = {name: PartSpec(name, needs=frozenset({other})) for name, other in (("a", "b"), ("b", "a"))}
    with pytest.raises(ValueError, match="a, b"):
        StackSpec(NAMES, circle).phases()


PORT = PortSpec("ACME_PORT", preferred=18_452)


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_configured_port_comes_first_and_a_busy_one_is_named(busy_port: int) -> None:
    free = next(port for port in range(18_600, 18_700) if is_free(port))
    assert choose_port(PORT, "the part", str(free), recorded=1) == free
    assert choose_port(PORT, "the part", str(busy_port), recorded=1, used=False) == busy_port
    with pytest.raises(ConfigurationError, match=rf"port {busy_port} for the part is busy.*ACME_PORT"):
        choose_port(PORT, "the part", str(busy_port), recorded=1)
    with pytest.raises(ConfigurationError, match="busy"):
        choose_port(PORT, "the part", str(free), recorded=1, taken=frozenset({free}))
    for wrong in ("http", "0", "70000", "-1"):
        with pytest.raises(ConfigurationError, match=f"ACME_PORT is wrong: '{wrong}' is not a port"):
            choose_port(PORT, "the part", wrong, recorded=1)


def test_the_recorded_port_comes_before_the_preferred_and_both_before_any(busy_port: int) -> None:
    free = next(port for port in range(18_700, 18_800) if is_free(port))
    preferred = next(port for port in range(18_800, 18_900) if is_free(port))
    spec = PortSpec("ACME_PORT", preferred)
    assert choose_port(spec, "the part", None, recorded=free) == free
    assert choose_port(spec, "the part", None, recorded=busy_port) == preferred
    assert choose_port(spec, "the part", "", recorded=None, taken=frozenset({preferred})) not in (preferred, busy_port)
    assert is_free(choose_port(PortSpec("ACME_PORT", busy_port), "the part", None, recorded=None))
