"""The local stack that all variants share, with a folder and processes of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import Engine

from gallery.catalogue.connect import connect
from gallery.errors import ConfigurationError
from gallery.local.info import StackInfo
from gallery.local.set_up import set_up_stack
from gallery.local.stack import LocalStack
from gallery.local.supervisor.environments import without
from gallery.settings import load_settings
from gallery.storage.s3 import Storage

PROJECT = Path(__file__).resolve().parent.parent
# The variables that would make a part external: its processes could not be measured.
ELSEWHERE = (
    "GALLERY_DATABASE_URL",
    "GALLERY_DATABASE_URL_FILE",
    "GALLERY_S3_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "PREFECT_API_URL",
)


@dataclass(frozen=True)
class Servers:
    """The running stack; `environment` is that of a process which uses it."""

    home: Path
    info: StackInfo
    environment: Mapping[str, str]
    engine: Engine
    storage: Storage

    @property
    def worker(self) -> int:
        """Process id of the Prefect worker, whose children are the flow runs."""
        return self.info.pids["worker"]

    @property
    def roots(self) -> dict[str, int]:
        """Process ids of the servers, by process group."""
        return {name: pid for name, pid in self.info.pids.items() if name != "worker"}


@contextmanager
def running_servers(home: Path) -> Iterator[Servers]:
    """The stack whose state is in `home`, started anew; it ends with the block, and with this process.

    Raises `ConfigurationError` where one runs there already, whose work would be measured, too.
    """
    environment = without(os.environ, ELSEWHERE)
    stack = LocalStack(home, PROJECT, environment)
    if stack.info() is not None:
        raise ConfigurationError(f"a stack runs in {home} already: is another benchmark under way?")
    info = stack.start(attached=True, progress=_say, set_up=set_up_stack(PROJECT, environment))
    try:
        used = info.process_environment(environment)
        settings = load_settings(used)
        # boto3 reads its credentials from the process's own environment.
        with patch.dict(os.environ, {name: value for name, value in used.items() if name.startswith("AWS_")}):
            storage = Storage(settings)
            engine = connect(settings, application="bench", connections=2)
            try:
                yield Servers(stack.home, info, used, engine, storage)
            finally:
                engine.dispose()
                storage.close()
    finally:
        stack.stop()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
