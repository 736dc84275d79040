"""One trial holds up no other, whatever becomes of it."""

from __future__ import annotations

from threading import Event

import pytest

from gallery.cli import check
from gallery.errors import ConfigurationError


def refuse() -> None:
    raise ConfigurationError("the setting X is missing")


def break_down() -> None:
    raise KeyError("password=secret")


def test_a_trial_that_fails_is_told_by_its_sentence() -> None:
    assert check._try("x", refuse) == check.Checked("x", "the setting X is missing")


def test_a_defect_is_told_by_its_type_alone() -> None:
    problem = check._try("x", break_down).problem
    assert problem is not None
    assert "KeyError" in problem
    assert "secret" not in problem


def test_a_trial_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LONGEST_TRIAL", 0.05)
    end = Event()
    assert check._try("x", end.wait).problem == "it did not end within 0.05 seconds"
    end.set()


def test_a_reminder_is_no_problem() -> None:
    assert check._try("x", lambda: None, reminds=lambda: "clean up some day") == check.Checked(
        "x", None, "clean up some day"
    )
