"""When garbage is collected."""

from __future__ import annotations

import gc

import pytest

from tasks import tuning


def test_garbage_is_collected_at_every_fourth_window(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    for _ in range(12):
        tuning.collect_garbage()
    assert len(collected) == 3
