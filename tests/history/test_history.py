"""`gallery history`, `failures` and `report`; and that API, Prefect and the history say the same of one upload."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

import gallery.history
from gallery.client.api import GalleryClient
from gallery.errors import ConfigurationError, RefusedRequest
from gallery.history import questions
from gallery.history.output import print_table, words, write_csv
from gallery.history.page import render_page
from gallery.history.source import Table
from tests.command import error_of
from tests.command import gallery as run
from tests.journeys import Journeys, photo

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_api_prefect_history_and_command_line_say_the_same(journeys: Journeys, gallery_id: str) -> None:
    files = {"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3), "letter.jpg": b"Dear"}
    # A fault that outlasts all retries of the stage, and is over when the run is retried.
    with journeys.servers.s3.fault("PUT", rf"/{gallery_id}/[^/]+/1/thumb", status=503):
        result = journeys.send(gallery_id, files)
    assert result.counts["failed"] + result.counts["saved"] == 3
    assert result.state == "failed"
    first = journeys.ended(result.flow_run_id)
    again = journeys.retry(result.flow_run_id)

    with GalleryClient(journeys.servers.info.api_url, journeys.servers.info.api_key) as client:
        status = client.status(result.upload_id)
    (upload,) = journeys.history("upload_history", result.upload_id, "1")
    runs = journeys.history("run_history", result.upload_id, "attempt")
    images = journeys.history("image_history", result.upload_id, "attempt, entry_number")

    counted = {name: upload[name] for name in ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")}
    assert counted == {name: number for name, number in status.counts.items() if name != "pending"}
    assert (upload["state"], upload["image_count"], upload["attempts"]) == (status.state, 4, 2)
    assert [run["message"] for run in runs] == [first["state"]["message"], again["state"]["message"]]
    assert [(run["saved"], run["rejected"], run["failed"]) for run in runs] == [(2, 1, 1), (1, 0, 0)]
    assert [run["trigger"] for run in runs] == ["api", "ui"]
    assert {str(run["flow_run_id"]) for run in runs} == {result.flow_run_id}

    assert [(row["attempt"], row["file_name"], row["outcome"]) for row in images] == [
        (1, "a.jpg", "failed"),
        (1, "b.jpg", "saved"),
        (1, "c.jpg", "saved"),
        (1, "letter.jpg", "rejected"),
        (2, "a.jpg", "saved"),
    ]
    failed, saved = images[0], images[1]
    assert (failed["stage"], failed["reason"], failed["retries"]) == ("process", "storage_unavailable", 2)
    assert (failed["save_seconds"], failed["bytes_in"], failed["bytes_out"]) == (None, len(files["a.jpg"]), 0)
    assert failed["process_seconds"] > 0
    assert [saved[f"{stage}_seconds"] > 0 for stage in ("download", "process", "save")] == [True] * 3
    assert (saved["retries"], saved["process_cached"], saved["width"]) == (0, False, 640)
    library = journeys.library(gallery_id)
    assert upload["bytes_out"] == sum(len(journeys.read(key)) for key in library)
    assert upload["bytes_in"] == sum(len(content) for content in files.values())

    home = journeys.servers.home
    shown = json.loads(run("history", "--gallery", gallery_id, "--json", home=home).stdout)["uploads"]
    assert [(item["upload_id"], item["saved"], item["rejected"]) for item in shown] == [(result.upload_id, 3, 1)]
    told = run("history", "--runs", "--gallery", gallery_id, "--csv", home=home).stdout
    assert [row["message"] for row in csv.DictReader(io.StringIO(told))] == [run["message"] for run in reversed(runs)]
    told = run("failures", "--gallery", gallery_id, "--since", "1d", "--json", home=home).stdout
    assert [item["file_name"] for item in json.loads(told)["failures"]] == ["a.jpg", "letter.jpg"]
    told = run("failures", "--gallery", gallery_id, "--state", "rejected", home=home).stdout
    assert "letter.jpg" in told
    assert "a.jpg" not in told
    report = json.loads(run("report", "--gallery", gallery_id, "--json", home=home).stdout)
    assert sum(day["images"] for day in report["days"]) == 4
    assert {stage["stage"] for stage in report["stages"]} == {"download", "process", "save"}
    assert {reason["reason"] for reason in report["reasons"]} == {"storage_unavailable", "not_an_image"}
    done = run("history", "prune", "--dry-run", "--json", home=home)
    assert json.loads(done.stdout)["rows"] == 0, done.stderr


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
    assert line.startswith("the database's address must be like")
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
