"""The questions about conflicts, and the answers to them."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import UUID

import pytest

from gallery.client.asking import ask_on_terminal
from gallery.client.comparing import ComparedPhotograph
from gallery.client.conflicts import Choices
from gallery.client.folder import LocalFile
from gallery.client.progress import NoProgress
from gallery.client.types import ReportedComparison

IMAGE = UUID(int=7)
PHOTOGRAPHS = [
    ComparedPhotograph(
        LocalFile(name, Path(name), 8_400_000, "image/jpeg"), ReportedComparison(name, "replace", "ab", IMAGE)
    )
    for name in ("a.jpg", "b.jpg", "c.jpg")
]


def ask(typed: str) -> tuple[Choices | None, str]:
    out = io.StringIO()
    return ask_on_terminal(PHOTOGRAPHS, NoProgress(), io.StringIO(typed), out), out.getvalue()


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
        f"1 of 3  a.jpg, 8.4 MB: the gallery has another photograph of this name, image {IMAGE}",
        f"k, r, s, K, R, S or q? 2 of 3  b.jpg, 8.4 MB: the gallery has another photograph of this name, image {IMAGE}",
        "k, r, s, K, R, S or q? ",
    ]
