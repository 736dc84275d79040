"""`gallery history`, `failures` and `report`; and that API, Prefect and the history say the same of one upload."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

import gallery.history
from gallery.errors import ConfigurationError, RefusedRequest
from gallery.history import questions
from gallery.history.output import print_table, words, write_csv
from gallery.history.page import render_page
from gallery.history.source import Table
from tests.command import error_of
from tests.command import gallery as run


def test_questions_that_make_no_sense_are_one_line(tmp_path: Path) -> None:
    assert "gallery up" in error_of(run("history", home=tmp_path / "home"))
    away = {"GALLERY_ANALYTICS_DATABASE_URL": "postgresql://a:a-secret-word@127.0.0.1:9/catalogue"}
    for command in (["history"], ["failures"], ["report"]):
        line = error_of(run(*command, home=tmp_path, **away))
        assert line.startswith("the catalogue's database: ")
        assert "a-secret-word" not in line
    assert "is no time" in error_of(run("report", "--since", "yesterday", home=tmp_path, **away))
    nonsense = {"GALLERY_ANALYTICS_DATABASE_URL": "a-secret-word"}
    line = error_of(run("history", home=tmp_path, **nonsense))
    assert line.startswith("the database's address is wrong: must be like")
    assert "a-secret-word" not in line


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("7d", datetime(2026, 6, 13, 12, tzinfo=UTC)),
        ("24h", datetime(2026, 6, 19, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 6, 6, 12, tzinfo=UTC)),
        ("2026-06-01", datetime(2026, 6, 1, tzinfo=UTC)),
        ("2026-06-01T10:00+02:00", datetime(2026, 6, 1, 8, tzinfo=UTC)),
        (None, None),
    ],
)
def test_times_are_ago_or_absolute(given: str | None, meant: datetime | None) -> None:
    assert questions.parse_time(given, datetime(2026, 6, 20, 12, tzinfo=UTC)) == meant


@pytest.mark.parametrize("given", ["", "7", "7x", "-7d", "2026-13-01", "99999d", "now"])
def test_what_is_no_time_is_refused(given: str) -> None:
    with pytest.raises(RefusedRequest, match="is no time"):
        questions.parse_time(given)


def test_a_state_that_there_is_not_is_refused() -> None:
    for ask in (questions.uploads, questions.runs, questions.failures):
        with pytest.raises(RefusedRequest, match="'nonsense' is none of"):
            ask(None, questions.Filters(state="nonsense"))  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_takes_no_name_for_a_formula(sign: str) -> None:
    file = io.StringIO()
    write_csv(Table(("file_name", "retries", "day"), [(f'{sign}HYPERLINK("x"),1', -1, date(2026, 6, 20))]), file)
    (row,) = list(csv.reader(io.StringIO(file.getvalue(), newline="")))[1:]
    assert row == [f'\'{sign}HYPERLINK("x"),1', "-1", "2026-06-20"]


def test_a_terminal_shows_names_as_they_are() -> None:
    out = io.StringIO()
    print_table(Console(file=out, width=100), Table(("file_name", "bytes_in"), [("[red]a[/red].jpg", 2_500_000)]))
    assert "[red]a[/red].jpg" in out.getvalue()
    assert "2.5 MB" in out.getvalue()


def test_values_are_read_by_their_units() -> None:
    given = [("bytes_in", 999), ("bytes_out", 1_500), ("p50", 0.1234), ("images", 1361), ("camera", None)]
    assert [words(*item) for item in given] == ["999 bytes", "1.5 kB", "0.123", "1,361", ""]


def made_report(gallery_id: str, days: int) -> questions.Report:
    today = date(2026, 6, 20)
    dates = [today - timedelta(days=n) for n in reversed(range(days))]
    counts = ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")
    return questions.Report(
        questions.Filters(),
        Table(
            ("day", "runs", "images", *counts, "bytes_in", "bytes_out", "busy_seconds", "images_per_second"),
            [(day, 2, 95, 80, 5, 5, 3, 2, 5, 10**9, 10**9, 10.0, 9.5) for day in dates],
        ),
        Table(
            ("day", "stage", "images", "p50", "p95", "p99", "total_seconds"),
            [(day, "process", 95, 0.2, 0.4, 0.6, 19.0) for day in dates],
        ),
        Table(
            ("stage", "reason", "outcome", "images", "galleries", "last_seen"),
            [("process", "truncated", "rejected", 2, 1, today)] if days else [],
        ),
        Table(
            ("gallery_id", "runs", "images", "rejected", "failed", "run_seconds", "images_per_second", "bytes_in",
             "bytes_out"),
            [(gallery_id, 2, 95, 2, 5, 10.0, 9.5, 10**9, 10**9)] if days else [],
        ),
    )  # fmt: skip


@pytest.mark.parametrize("days", [0, 1, 60])
def test_the_page_stands_alone(days: int) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra `report`, is not installed")
    page = render_page(made_report("<script>alert(1)</script>&", days), datetime.now(UTC))
    assert page.count("<svg") == (5 if days else 0)
    assert page.count("Nothing to show") == (0 if days else 5)
    assert "<script" not in page
    assert days == 0 or "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in page
    assert "default-src 'none'" in page
    # Nothing is loaded, from anywhere: an SVG refers to parts of itself alone.
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert not re.search(r"url\((?!#)|@import", page)


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delattr(gallery.history, "plots", raising=False)
    monkeypatch.delitem(sys.modules, "gallery.history.plots", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'gallery-ingest\[report\]'"):
        render_page(made_report("g", 1), datetime.now(UTC))
