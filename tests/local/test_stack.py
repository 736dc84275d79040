"""Starting and stopping PostgreSQL and the S3 server for real."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import psutil
import psycopg
import pytest

from gallery.errors import ConfigurationError, GalleryError
from gallery.local.definition import PARTS, PartName
from gallery.local.info import StackInfo
from gallery.local.parts import prefect_settings
from gallery.local.stack import LocalStack
from gallery.local.supervisor.ports import PortSpec, choose_port
from gallery.local.supervisor.processes import find
from tests.conftest import PROJECT, clean_environment, free_ports
from tests.local.conftest import processes_of, state_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

NewStack = Callable[..., LocalStack]
STORES: tuple[PartName, ...] = ("postgres", "s3")


def s3_of(info: StackInfo) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=info.s3_endpoint_url,
        aws_access_key_id=info.s3_access_key,
        aws_secret_access_key=info.s3_secret_key,
        region_name="us-east-1",
    )


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    try:
        # Of which its parent, this process, has only not heard yet.
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_stop_ends_every_process_and_a_second_stop_is_harmless(new_stack: NewStack) -> None:
    stack = new_stack()
    info = stack.start(parts=STORES)
    everything = [p for pid in info.pids.values() for p in (psutil.Process(pid), *psutil.Process(pid).children(True))]
    assert set(info.pids) == {"postgres", "s3"}
    assert len(everything) > 2
    new_stack().stop()  # as another command would
    assert [p for p in everything if not has_ended(p)] == []
    assert stack.info() is None
    assert stack.running() == dict.fromkeys(("postgres", "s3", "prefect_server", "worker", "api"), False)
    stack.stop()


def test_rows_objects_ports_and_keys_survive_down_and_up(new_stack: NewStack) -> None:
    # Named the first time alone: not those that other stacks take as soon as they are free.
    info = new_stack(**free_ports()).start(parts=STORES)
    with psycopg.connect(info.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    s3 = s3_of(info)
    s3.create_bucket(Bucket=info.uploads_bucket)
    s3.put_object(Bucket=info.uploads_bucket, Key="g/u/Käse 1+2.jpg", Body=b"x" * 100_000, Metadata={"a": "b"})
    new_stack().stop()
    again = new_stack().start(parts=STORES)
    assert again.environment() == info.environment()
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    found = s3_of(again).get_object(Bucket=info.uploads_bucket, Key="g/u/Käse 1+2.jpg")
    assert (found["Body"].read(), found["Metadata"]) == (b"x" * 100_000, {"a": "b"})


def test_what_was_killed_is_started_again_with_its_data_and_the_rest_is_kept(new_stack: NewStack) -> None:
    first = new_stack().start(parts=STORES)
    s3_of(first).create_bucket(Bucket="kept-bucket")
    s3_of(first).put_object(Bucket="kept-bucket", Key="k", Body=b"data")
    os.kill(first.pids["s3"], signal.SIGKILL)
    second = new_stack().start(parts=STORES)
    assert second.pids["postgres"] == first.pids["postgres"]
    assert second.pids["s3"] != first.pids["s3"]
    assert s3_of(second).get_object(Bucket="kept-bucket", Key="k")["Body"].read() == b"data"
    os.kill(second.pids["postgres"], signal.SIGKILL)
    third = new_stack().start(parts=STORES)
    assert third.pids["s3"] == second.pids["s3"]
    psycopg.connect(third.database_url).close()


def test_start_finds_everything_running_and_changes_nothing(new_stack: NewStack) -> None:
    calls: list[StackInfo] = []
    first = new_stack().start(parts=STORES, set_up=calls.append)
    stack = new_stack()
    second = stack.start(attached=True, parts=STORES, set_up=calls.append)
    assert second == first
    assert len(calls) == 1
    assert not stack.started_here


def test_two_starts_at_once_make_one_stack(new_stack: NewStack) -> None:
    infos: list[StackInfo] = []
    threads = [threading.Thread(target=lambda: infos.append(new_stack().start(parts=STORES))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert infos[0].pids == infos[1].pids


def test_only_its_owner_can_read_the_home(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.start(parts=STORES)
    for path in [stack.home, *stack.home.glob("*"), *stack.home.glob("logs/*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert not list(stack.home.glob(".postgres-password"))


def test_servers_listen_on_loopback_only_and_no_secret_is_an_argument(new_stack: NewStack) -> None:
    stack = new_stack()
    info = stack.start(parts=STORES)
    secrets = json.loads((stack.home / "credentials.json").read_text()).values()
    for process in processes_of(stack.home):
        listening = [c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        assert set(listening) <= {"127.0.0.1"}
        assert not any(secret in argument for secret in secrets for argument in process.cmdline())
    assert len(info.pids) == 2


def test_a_busy_configured_port_is_named(new_stack: NewStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} for the S3 server is busy.*GALLERY_S3_PORT"):
            new_stack(GALLERY_S3_PORT=str(port)).start(parts=STORES)
        # Where others will look for a part that is started later, or elsewhere, is settled all the same.
        info = new_stack("other", GALLERY_API_PORT=str(port)).start(parts=STORES)
        assert info.api_url == f"http://127.0.0.1:{port}"
    with pytest.raises(ConfigurationError, match="GALLERY_S3_PORT is wrong: 'http'"):
        new_stack(GALLERY_S3_PORT="http").start(parts=STORES)


def test_a_part_that_fails_is_shown_with_its_log_and_the_rest_is_stopped(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.start(parts=STORES)
    stack.stop()
    (stack.home / "postgres" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(GalleryError, match=r"(?s)PostgreSQL ended at once.*postgres\.log.*nonsense"):
        stack.start(parts=STORES)
    assert processes_of(stack.home) == []


def test_a_failing_set_up_stops_what_was_started(new_stack: NewStack) -> None:
    def fail(_: StackInfo) -> None:
        raise ConfigurationError("no")

    stack = new_stack()
    with pytest.raises(ConfigurationError, match=r"^no$"):
        stack.start(attached=True, parts=STORES, set_up=fail)
    assert processes_of(stack.home) == []


def test_data_of_another_postgresql_version_is_refused(new_stack: NewStack) -> None:
    stack = new_stack()
    (stack.home / "postgres").mkdir(parents=True)
    (stack.home / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 12, installed is"):
        stack.start(parts=["postgres"])


def test_a_lock_file_whose_pid_is_now_another_programs_does_not_stop_postgres(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.start(parts=["postgres"])
    stack.stop()
    (stack.home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{stack.home}\n")
    stack.start(parts=["postgres"])


STARTER = """
import os, sys
from importlib import metadata
from pathlib import Path
from gallery.local.stack import LocalStack
stack = LocalStack(Path(sys.argv[1]), Path(sys.argv[2]))
stack.start(attached=True, parts=["postgres", "s3"])
if "keep" in sys.argv:
    stack.detach()
print("started", flush=True)
sys.stdin.read()
"""


def start_elsewhere(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STARTER, str(home), str(PROJECT), *options]
    pipe = subprocess.PIPE
    starter = subprocess.Popen(command, env=clean_environment(), cwd=PROJECT, stdin=pipe, stdout=pipe, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "started\n"
    return starter


def test_sigkill_of_an_attached_starter_stops_everything(new_stack: NewStack) -> None:
    stack = new_stack()
    starter = start_elsewhere(stack.home)
    assert len(processes_of(stack.home)) >= 2
    starter.kill()
    starter.communicate()
    wait_for(lambda: not processes_of(stack.home))
    wait_for(lambda: not state_of(stack.home).processes)


def test_a_detached_stack_outlives_its_starter(new_stack: NewStack) -> None:
    stack = new_stack()
    starter = start_elsewhere(stack.home, "keep")
    starter.kill()
    starter.communicate()
    assert stack.running()["postgres"]
    assert stack.running()["s3"]


def test_orphans_of_a_part_that_died_are_ended(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.start(parts=["s3"])
    state = state_of(stack.home)
    # As a flow run whose worker was killed: in a session of its own, its parent gone.
    marks = {"GALLERY_STACK_TOKEN": state.token, "GALLERY_STACK_PART": "worker"}
    orphan = subprocess.Popen(["sleep", "600"], env={**os.environ, **marks}, start_new_session=True)
    stack.stop()
    orphan.wait(timeout=10)


def test_a_recorded_pid_that_is_now_another_programs_is_left_alone(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.start(parts=["s3"])
    stack.stop()
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        state = state_of(stack.home)
        record = {"pid": bystander.pid, "created": psutil.Process(bystander.pid).create_time() - 60}
        (stack.home / "stack.json").write_text(
            json.dumps({"token": state.token, "ports": {}, "processes": {"s3": record}, "attachment": None})
        )
        assert find(state_of(stack.home).processes["s3"]) is None
        stack.stop()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_parts_elsewhere_are_not_started(new_stack: NewStack) -> None:
    stack = new_stack(
        GALLERY_DATABASE_URL="postgresql://u:p@db.example/c",
        AWS_ENDPOINT_URL_S3="https://s3.example",
        PREFECT_API_URL="https://prefect.example/api",
        PREFECT_API_KEY="pnu_x",
        AWS_ACCESS_KEY_ID="AK",
    )
    info = stack.start(parts=["postgres", "s3", "prefect_server"])
    assert info.pids == {}
    environment = info.environment()
    assert environment["GALLERY_DATABASE_URL"] == "postgresql://u:p@db.example/c"
    assert environment["GALLERY_S3_ENDPOINT_URL"] == "https://s3.example"
    assert environment["PREFECT_API_KEY"] == "pnu_x"
    assert (info.prefect_ui_url, info.s3_access_key) == ("https://prefect.example", "AK")
    assert "PREFECT_HOME" not in environment


def test_prefects_server_keeps_its_tables_in_the_embedded_postgres(new_stack: NewStack) -> None:
    stack = new_stack()
    info = stack.start(attached=True, parts=["prefect_server"])
    assert set(info.pids) == {"postgres", "prefect_server"}
    version = httpx.get(f"{info.prefect_api_url}/admin/version").json()
    assert version == metadata.version("prefect")
    settings = httpx.get(f"{info.prefect_ui_url}/ui-settings").json()
    assert settings["api_url"] == info.prefect_api_url
    assert (stack.home / "prefect").is_dir()
    postgres = psutil.Process(info.pids["postgres"])
    assert any("prefect prefect 127.0.0.1" in " ".join(child.cmdline()) for child in postgres.children())
    foreign = httpx.options(
        f"{info.prefect_api_url}/flow_runs/",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert "access-control-allow-origin" not in foreign.headers
    start = time.monotonic()
    stack.stop()
    assert time.monotonic() - start < 15


def test_every_prefect_setting_exists(tmp_path: Path) -> None:
    names = {
        name
        for mapping in (
            prefect_settings.SERVER_TUNED,
            prefect_settings.CLIENT_TUNED,
            prefect_settings.PRIVACY,
            prefect_settings.server_fixed("127.0.0.1", 1, tmp_path, "postgresql+asyncpg://"),
            prefect_settings.client_fixed("http://127.0.0.1:1/api", tmp_path),
        )
        for name in mapping
    } - {"DO_NOT_TRACK"}
    script = (
        "import sys; from prefect.settings.legacy import _get_settings_fields; from prefect.settings import Settings\n"
        "known = _get_settings_fields(Settings)\n"
        "print([name for name in sys.argv[1:] if name not in known])"
    )
    environment = clean_environment(PREFECT_HOME=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script, *sorted(names)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_port_that_is_taken_between_its_choice_and_its_use_is_replaced(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        chosen = iter([port])
        real = choose_port

        def choose_taken_first(spec: PortSpec, *arguments: Any, used: bool) -> int:
            is_s3 = spec == PARTS["s3"].port
            return (next(chosen, None) if is_s3 else None) or real(spec, *arguments, used=used)

        monkeypatch.setattr("gallery.local.supervisor.starting.choose_port", choose_taken_first)
        messages: list[str] = []
        info = new_stack().start(parts=["s3"], progress=messages.append)
    assert f"port {port} for the S3 server was taken by another program meanwhile" in messages
    assert not info.s3_endpoint_url.endswith(f":{port}")
