"""A running stack's record decides which servers every command of its folder means."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gallery.errors import ConfigurationError
from gallery.local.definition import NAMES, PartName
from gallery.local.stack import LocalStack
from gallery.local.supervisor.home import Home
from tests.local.conftest import state_of

NewStack = Callable[..., LocalStack]
STORES: tuple[PartName, ...] = ("postgres", "s3")
SECRET = "a-secret-of-another-store"
ELSEWHERE = {
    "GALLERY_S3_ENDPOINT_URL": "https://s3.example",
    "GALLERY_UPLOADS_BUCKET": "own-uploads",
    "GALLERY_LIBRARY_BUCKET": "own-library",
    "AWS_ACCESS_KEY_ID": "AKIAELSEWHERE",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CA_BUNDLE": "/etc/own-authority.pem",
}


@pytest.fixture
def running(new_stack: NewStack) -> LocalStack:
    """A stack whose S3 server is elsewhere."""
    stack = new_stack(**ELSEWHERE)
    stack.start(attached=True, parts=["postgres"])
    return stack


def test_a_shell_without_the_variables_means_the_running_stacks_servers(
    running: LocalStack, new_stack: NewStack
) -> None:
    bare, known = new_stack(), running.info()
    assert known is not None
    assert bare.info() == known
    assert ELSEWHERE.items() <= known.environment().items()
    assert bare.elsewhere() == {"s3"}
    assert bare.start(parts=STORES).pids == known.pids, "an embedded S3 server was started beside it"
    # Nor does it matter how many times, or that a shell has what the stack's own processes have.
    assert new_stack(**known.environment()).start(parts=STORES) == known
    assert new_stack("another").info() is None


def test_a_shell_that_contradicts_the_running_stack_is_refused_by_name(
    running: LocalStack, new_stack: NewStack, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:another-secret@db.example/photos")
    others = {
        "GALLERY_DATABASE_URL": "postgresql://gallery:another-secret@db.example/photos",
        "GALLERY_DATABASE_URL_FILE": str(file),
        "GALLERY_S3_ENDPOINT_URL": "https://another-secret.example",
        "AWS_ENDPOINT_URL_S3": "https://another-secret.example",
        "GALLERY_UPLOADS_BUCKET": "another-secret",
        "AWS_SECRET_ACCESS_KEY": "another-secret",
        "AWS_PROFILE": "another-secret",
        "PREFECT_API_URL": "https://another-secret.example/api",
    }
    before = state_of(running.home)
    for name, value in others.items():
        shell = new_stack(**{name: value})
        for command in (shell.info, shell.start):
            with pytest.raises(ConfigurationError, match=rf"this shell has another {name} than the running") as error:
                command()
            assert "another-secret" not in str(error.value)
            assert "gallery down" in str(error.value)
    with pytest.raises(ConfigurationError, match="another GALLERY_S3_ENDPOINT_URL, AWS_PROFILE than"):
        new_stack(GALLERY_S3_ENDPOINT_URL="https://s3.example/b", AWS_PROFILE="b").start()
    assert state_of(running.home) == before
    # Once nothing runs, a shell's own variables count again.
    new_stack(**others).stop()
    assert new_stack(**others).info() is None


def test_secrets_are_kept_while_the_stack_runs_and_for_its_owner_alone(
    running: LocalStack, new_stack: NewStack
) -> None:
    file = running.home / "stack.json"
    assert SECRET in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    new_stack().stop()
    assert not [path for path in running.home.rglob("*.json") if SECRET in path.read_text()]


def test_a_start_that_fails_keeps_no_secret(new_stack: NewStack) -> None:
    def fail(_: object) -> None:
        raise ConfigurationError("no")

    stack = new_stack(**ELSEWHERE)
    with pytest.raises(ConfigurationError, match=r"^no$"):
        stack.start(parts=["postgres"], set_up=fail)
    assert SECRET not in (stack.home / "stack.json").read_text()


def test_the_next_start_says_that_it_uses_the_stacks_own_servers_instead(
    running: LocalStack, new_stack: NewStack
) -> None:
    running.stop()
    said: list[str] = []
    info = new_stack().start(parts=["s3"], progress=said.append)
    assert set(info.pids) == {"s3"}
    note = next(line for line in said if line.startswith("note: "))
    assert "GALLERY_S3_ENDPOINT_URL, GALLERY_UPLOADS_BUCKET, GALLERY_LIBRARY_BUCKET, which this shell" in note
    new_stack().stop()
    said.clear()
    new_stack().start(parts=["s3"], progress=said.append)
    assert not [line for line in said if line.startswith("note: ")], "it was told once"


def test_credentials_for_other_stores_do_not_matter_to_an_embedded_one(new_stack: NewStack) -> None:
    known = new_stack().start(attached=True, parts=["s3"])
    shell = new_stack(AWS_PROFILE="work", AWS_SECRET_ACCESS_KEY="work", AWS_DEFAULT_REGION="x", PREFECT_API_KEY="k")
    assert shell.info() == known
    assert "AWS_PROFILE" not in known.process_environment({"AWS_PROFILE": "work"})
    with pytest.raises(ConfigurationError, match="another AWS_ENDPOINT_URL_S3 than"):
        new_stack(AWS_ENDPOINT_URL_S3="https://s3.example").start(parts=["s3"])


def test_a_port_other_than_the_running_parts_is_refused(new_stack: NewStack) -> None:
    info = new_stack().start(attached=True, parts=["s3"])
    with pytest.raises(ConfigurationError, match=r"^GALLERY_S3_PORT is 1, but the S3 server runs on port \d+: unset"):
        new_stack(GALLERY_S3_PORT="1").start(parts=["s3"])
    again = new_stack(GALLERY_S3_PORT=info.s3_endpoint_url.rsplit(":", 1)[1]).start(parts=["s3"])
    # Where the other parts would run is as free ports are just then.
    assert (again.s3_endpoint_url, again.pids) == (info.s3_endpoint_url, info.pids)


def test_a_stack_that_an_older_release_has_started_goes_by_the_shell(running: LocalStack, new_stack: NewStack) -> None:
    file = running.home / "stack.json"
    stored = json.loads(file.read_text())
    del stored["settings"]
    file.write_text(json.dumps(stored))
    info = new_stack(GALLERY_S3_ENDPOINT_URL="https://b.example").info()
    assert info is not None
    assert info.s3_endpoint_url == "https://b.example"
    # But nothing is started beside it: nobody knows which servers it uses.
    with pytest.raises(ConfigurationError, match="was started by an earlier release"):
        new_stack().start(parts=STORES)


def test_a_start_that_has_waited_for_another_one_does_not_mix_with_it(
    running: LocalStack, new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked before the other one began; it has the lock once that one runs."""
    late = new_stack()
    monkeypatch.setattr(late, "_agreed_environment", lambda: late.environment)
    with pytest.raises(ConfigurationError, match="another command has just started the stack"):
        late.start(parts=STORES)
    info = running.info()
    assert info is not None
    assert set(info.pids) == {"postgres"}


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", NAMES)
    home.make()
    home.save(replace(home.load(), settings={"A": "b"}))
    assert home.load().settings == {"A": "b"}
    home.state_file.write_text(home.state_file.read_text().replace('{\n    "A": "b"\n  }', "7"))
    assert home.load().settings is None
