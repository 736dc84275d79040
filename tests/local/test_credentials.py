"""The file of the local stack's secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gallery.errors import ConfigurationError
from gallery.local.credentials import Credentials
from gallery.local.plan import StackPlan

PORTS = {"postgres": 5432, "s3": 9000, "prefect_server": 4200, "api": 8000}


def test_the_analysts_password_is_made_anew_where_somebody_took_it_out(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    first = Credentials.load(file)
    assert Credentials.load(file) == first
    stored = json.loads(file.read_text())
    del stored["analytics_password"]
    file.write_text(json.dumps(stored))
    second = Credentials.load(file)
    assert second.analytics_password != first.analytics_password
    assert second.api_key == first.api_key
    assert Credentials.load(file) == second
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"analytics_password": "x"}', "null"])
def test_a_file_that_lacks_more_is_damaged(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(damage)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="is damaged"):
        Credentials.load(file)


def test_analysts_have_an_address_where_their_password_is_known(tmp_path: Path) -> None:
    own = Credentials()
    elsewhere = {
        "GALLERY_DATABASE_URL": "postgresql://gallery:pw@db.example:5433/photos",
        "PREFECT_API_URL": "http://p/api",
    }

    def address(**environment: str) -> str | None:
        return StackPlan(tmp_path, tmp_path, environment, own, PORTS).info({}).analytics_database_url

    embedded = "127.0.0.1:5432/catalogue"
    assert address() == f"postgresql://gallery_analyst:{own.analytics_password}@{embedded}"
    assert (
        address(GALLERY_ANALYTICS_PASSWORD="p@ss/word-x") == f"postgresql://gallery_analyst:p%40ss%2Fword-x@{embedded}"
    )
    assert address(**elsewhere) is None
    assert address(**elsewhere, GALLERY_ANALYTICS_PASSWORD="secret-enough") == (
        "postgresql://gallery_analyst:secret-enough@db.example:5433/photos"
    )
    several = {**elsewhere, "GALLERY_DATABASE_URL": "postgres://gallery:pw@db1:5433,db2/photos?sslmode=require"}
    assert address(**several, GALLERY_ANALYTICS_PASSWORD="secret-enough") == (
        "postgresql://gallery_analyst:secret-enough@db1:5433,db2/photos?sslmode=require"
    )
