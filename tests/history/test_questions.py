"""The questions of docs/analytics.md, asked of a small history whose answers are known."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Engine

from gallery.catalogue import outcomes
from gallery.catalogue.connect import transaction
from gallery.catalogue.migrate import migrate
from gallery.errors import GalleryError
from gallery.history import questions
from gallery.history.source import History, open_history
from gallery.models import EntryProblem
from gallery.timings import Timing
from tests.catalogue.conftest import JUDGES, Catalogue, NewDatabase, hold, url_of
from tests.catalogue.test_history import finish, save, timing
from tests.conftest import PROJECT

GALLERY = "summer-wedding"
PAGE = (PROJECT / "docs" / "analytics.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^### (.+?)\n\n```sql\n(.+?);\n```", PAGE, re.MULTILINE | re.DOTALL))
ANSWERS = re.findall(
    r"^### .+?\n\n```sql\n.+?;\n```\n\n\| (.+?) \|\n\| [-:| ]+ \|\n\| ", PAGE, re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def engine_with_history(databases: NewDatabase) -> Engine:
    """A gallery of three: one saved, one failed and saved by a retry, one rejected of a known camera."""
    catalogue = Catalogue(databases())
    migrate(catalogue.engine)
    first = catalogue.begun(GALLERY, "card1/IMG_0001.JPG", "b.jpg", "c.jpg")
    save(catalogue, first, "A", 1, timing("download", "process", "save", bytes_in=100))
    bad = Timing(bytes_in=100, camera="Kestrel K1")
    for stage in ("download", "process"):
        bad.begin(stage)
        bad.end(stage)
    lost = [
        EntryProblem(2, "b.jpg", "failed", "save", "storage_unavailable", "storage is away"),
        EntryProblem(3, "c.jpg", "rejected", "process", "truncated", "the file is cut off"),
    ]
    with transaction(catalogue.engine) as session:
        hold(session, first, 2, 3)
        outcomes.record_problems(
            session, first, JUDGES, lost, {2: timing("download", "process", "save", "save"), 3: bad}
        )
    finish(catalogue, first, "failed")
    second = catalogue.begin(GALLERY, first.upload_id)
    save(catalogue, second, "B", 2, timing("download", "process", "save", bytes_in=100))
    finish(catalogue, second, "completed_with_rejects")
    return catalogue.engine


def ask(engine: Engine, query: str) -> list[dict[str, Any]]:
    with open_history(url_of(engine)) as history:
        return history.ask(query.replace("%", "%%"), {}).records()


def test_there_are_as_many_answers_as_questions() -> None:
    assert len(QUESTIONS) == len(ANSWERS) >= 14


@pytest.mark.parametrize("title", QUESTIONS)
def test_every_question_is_answered_with_the_columns_that_the_page_shows(
    engine_with_history: Engine, title: str
) -> None:
    rows = ask(engine_with_history, QUESTIONS[title])
    assert rows
    assert " | ".join(rows[0]) == ANSWERS[list(QUESTIONS).index(title)]


def test_the_answers_are_true(engine_with_history: Engine) -> None:
    def answer(beginning: str) -> list[dict[str, Any]]:
        (title,) = (title for title in QUESTIONS if title.startswith(beginning))
        return ask(engine_with_history, QUESTIONS[title])

    (total,) = answer("How many")
    assert (total["galleries"], total["uploads"], total["images"], total["saved"]) == (1, 1, 3, 2)
    assert (total["rejected"], total["failed"]) == (1, 0)
    (day,) = answer("How fast")
    assert (day["runs"], day["images"]) == (2, 3)
    (retried,) = answer("How often")
    assert (retried["retried_uploads"], retried["retried_stages"]) == (1, 1)
    reasons = {row["reason"]: (row["stage"], row["rejected"], row["failed"]) for row in answer("What fails")}
    assert reasons == {"truncated": ("process", 1, 0), "storage_unavailable": ("save", 0, 1)}
    cameras = {row["camera"]: row["percent_rejected"] for row in answer("Which camera")}
    assert cameras["Kestrel K1"] == 100
    (trouble,) = answer("Which gallery")
    assert (trouble["gallery_id"], trouble["rejected"], trouble["attempts"]) == (GALLERY, 1, 2)
    (week,) = answer("Is this week")
    assert (week["week"], week["images"], week["retried_runs"]) == ("this week", 4, 1)
    assert [row["outcome"] for row in answer("What became")] == ["saved"]


def test_a_report_on_one_gallery_leaves_the_others_out(engine_with_history: Engine) -> None:
    with open_history(url_of(engine_with_history)) as history:
        mine = questions.report(history, questions.Filters(gallery=GALLERY))
        none = questions.report(history, questions.Filters(gallery="another"))
        whole = questions.report(history, questions.Filters())
    assert [row["stage"] for row in mine.stages.records()] == ["download", "process", "save"]
    assert [row["images"] for row in mine.stages.records()] == [row["images"] for row in whole.stages.records()]
    assert [row["images"] for row in mine.galleries.records()] == [3]
    assert not any(table.rows for table in none.sections().values())


def test_filters_bind_what_they_are_given(engine_with_history: Engine) -> None:
    def names(history: History, **filters: Any) -> list[str]:
        return [row["file_name"] for row in questions.failures(history, questions.Filters(**filters)).records()]

    with open_history(url_of(engine_with_history)) as history:
        assert names(history) == ["b.jpg", "c.jpg"]
        assert names(history, state="rejected") == ["c.jpg"]
        assert names(history, since=questions.parse_time("1h")) == ["b.jpg", "c.jpg"]
        assert names(history, until=questions.parse_time("1h")) == []
        assert names(history, gallery="' OR true --") == []
        assert names(history, limit=1) == ["b.jpg"]


def test_a_catalogue_without_a_history_is_one_line(databases: NewDatabase) -> None:
    with pytest.raises(GalleryError, match=r"no history to read: .*; run `gallery setup`"):
        ask(databases(), "SELECT * FROM upload_history")
