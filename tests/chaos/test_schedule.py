"""The schedule is the seed's, can be replayed, and leaves out what it is told to."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.schedule import ACTIONS, FAULTS, make_schedule, read_schedule, without


def test_a_seed_always_makes_the_same_schedule_and_another_one_another() -> None:
    assert make_schedule(7, 600) == make_schedule(7, 600)
    assert make_schedule(7, 600) != make_schedule(8, 600)


def test_a_longer_schedule_begins_with_the_shorter_one() -> None:
    shorter = make_schedule(7, 120)
    assert make_schedule(7, 1200)[: len(shorter)] == shorter


def test_half_an_hour_has_every_kind() -> None:
    assert {step.kind for step in make_schedule(7, 1800)} == {*ACTIONS, *FAULTS}


def test_a_schedule_that_was_written_is_read_again(tmp_path: Path) -> None:
    schedule = make_schedule(7, 600)
    file = tmp_path / "schedule.jsonl"
    file.write_text("".join(f"{step}\n" for step in schedule))
    assert read_schedule(file) == schedule


def test_kinds_and_families_of_kinds_are_left_out_and_the_rest_stays() -> None:
    schedule = make_schedule(7, 1800)
    left = without(schedule, ["freeze", "kill-run", "cut"])
    assert left == [
        step for step in schedule if not step.kind.startswith(("freeze", "cut")) and step.kind != "kill-run"
    ]
    assert "kill-worker" in {step.kind for step in left}
