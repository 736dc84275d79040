"""The stack that the tests talk to: real PostgreSQL, S3, Prefect server, worker and API, started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from gallery.catalogue.connect import connect
from gallery.local.info import StackInfo
from gallery.local.set_up import set_up_stack
from gallery.local.stack import LocalStack
from gallery.settings import Settings, load_settings
from gallery.storage import Storage
from tests.faulty_s3 import FaultyS3

PROJECT = Path(__file__).resolve().parent.parent
# Short pauses: what is tested is that and when a stage is retried, not how long it waits.
PATIENCE = {
    "GALLERY_RETRIES": "2",
    "GALLERY_RETRY_DELAY_SECONDS": "0.05",
    "PREFECT_WORKER_QUERY_SECONDS": "0.5",
}


@dataclass(frozen=True)
class Servers:
    """The running stack, as everything under test sees it: S3 through the proxy that can inject faults."""

    home: Path
    info: StackInfo
    s3: FaultyS3
    environment: dict[str, str]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Everything, started once a session and ended with it, however it ends."""
    home = tmp_path_factory.mktemp("stack")
    storage = LocalStack(home, PROJECT)
    try:
        direct = storage.start(attached=True, parts=["postgres", "s3"])
        s3 = FaultyS3(direct.s3_endpoint_url)
        environment = {
            **os.environ,
            **PATIENCE,
            "GALLERY_S3_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": direct.s3_access_key or "",
            "AWS_SECRET_ACCESS_KEY": direct.s3_secret_key or "",
            "AWS_DEFAULT_REGION": direct.environment()["AWS_DEFAULT_REGION"],
        }
        info = LocalStack(home, PROJECT, environment).start(set_up=set_up_stack(PROJECT, environment))
        yield Servers(home, info, s3, info.process_environment(environment))
        s3.close()
    finally:
        storage.stop()


@pytest.fixture(scope="session")
def settings(servers: Servers) -> Settings:
    """The settings that worker and API have."""
    return load_settings(servers.environment)


@pytest.fixture(scope="session")
def engine(settings: Settings) -> Iterator[Engine]:
    """The catalogue of the stack."""
    engine = connect(settings, application="tests")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def storage(servers: Servers, settings: Settings) -> Iterator[Storage]:
    """The stack's S3, through the proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, servers.environment[name])
        storage = Storage(settings)
    yield storage
    storage.close()


@pytest.fixture
def gallery_id() -> str:
    """A gallery of the test's own."""
    return f"g-{uuid4().hex[:12]}"
