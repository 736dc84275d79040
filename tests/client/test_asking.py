"""The questions about conflicts, and the answers to them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from gallery.client.asking import ask_on_terminal
from gallery.client.comparing import ComparedPhotograph
from gallery.client.conflicts import Choices
from gallery.client.folder import LocalFile
from gallery.client.progress import NoProgress
from gallery.client.types import ReportedComparison, ReportedVersion

PHOTOGRAPHS = [
    ComparedPhotograph(
        LocalFile(name, Path(name), 8_400_000, "image/jpeg"),
        ReportedComparison(name, "replace", "ab", UUID(int=number)),
    )
    for number, name in enumerate(("a.jpg", "b.jpg", "c.jpg"))
]
ADDED = datetime(2026, 5, 23, 14, 5).astimezone()
# The second one was deleted since.
VERSIONS = {UUID(int=0): ReportedVersion(7_900_000, ADDED.astimezone(UTC), is_current=True)}


def ask(typed: str) -> tuple[Choices | None, str]:
    out = io.StringIO()
    return ask_on_terminal(PHOTOGRAPHS, NoProgress(), io.StringIO(typed), out, VERSIONS.get), out.getvalue()


@pytest.mark.parametrize(
    ("typed", "choices"),
    [
        ("k\nr\ns\n", ["keep_both", "replace", "skip"]),
        ("s\nK\n", ["skip", "keep_both", "keep_both"]),
        ("R\n", ["replace", "replace", "replace"]),
        (" k \n?\n\nboth\nS", ["keep_both", "skip", "skip"]),
    ],
    ids=["one by one", "all the rest", "all", "with mistakes"],
)
def test_answers_are_for_one_photograph_or_for_all_the_rest(typed: str, choices: list[str]) -> None:
    answers, _ = ask(typed)
    assert answers == dict(zip(("a.jpg", "b.jpg", "c.jpg"), choices, strict=True))


@pytest.mark.parametrize("typed", ["q\n", "k\nq\n", "", "k\n"], ids=["q", "q later", "end of input", "end later"])
def test_who_stops_has_chosen_nothing(typed: str) -> None:
    assert ask(typed)[0] is None


def test_a_question_says_what_is_here_and_what_is_there() -> None:
    lines = ask("k\nK\n")[1].splitlines()
    assert lines == [
        "3 files would replace others in the gallery.",
        "[k]eep both, [r]eplace, [s]kip; K, R, S: the same for all the rest; q: stop, nothing is sent",
        "1 of 3  a.jpg, 8.4 MB: the gallery has another photograph of this name, 7.9 MB, added 2026-05-23 14:05",
        "k, r, s, K, R, S or q? 2 of 3  b.jpg, 8.4 MB: the gallery has another photograph of this name",
        "k, r, s, K, R, S or q? ",
    ]
