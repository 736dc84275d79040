"""Where Celery cannot be measured, the reason is said."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from bench import celery_peer
from bench.celery_peer import LeftOut, python_with_celery, with_redis
from bench.servers import Servers


def test_packages_that_cannot_be_had_are_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"celery==0.0.1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(celery_peer, "REQUIREMENTS", requirements)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in ("the first time", "and again: a venv that was not finished is not taken for one that was"):
        with pytest.raises(LeftOut, match=r"its packages cannot be installed: .*celery==0\.0\.1"):
            python_with_celery(tmp_path)


def test_no_redis_server_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nowhere = cast(Servers, None)
    with pytest.raises(LeftOut, match="no redis-server on PATH"), with_redis(nowhere, tmp_path / "python"):
        pass
