from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gallery.storage import Storage
from tests.conftest import Servers
from tests.journeys import Journeys


@pytest.fixture
def journeys(servers: Servers, engine: Engine, storage: Storage, tmp_path: Path) -> Iterator[Journeys]:
    """The stack, to send galleries through."""
    journeys = Journeys(servers, engine, storage, tmp_path)
    yield journeys
    journeys.close()
