"""What a person reads at the end."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gallery.client.comparing import ComparedPhotograph, FolderComparison
from gallery.client.folder import LocalFile
from gallery.client.result import IngestResult, not_sent
from gallery.client.summary import print_summary, why_not_sent
from gallery.client.types import ReportedComparison, ReportedProblem
from gallery.models import Would


def result_with(counts: dict[str, int], *problems: ReportedProblem) -> IngestResult:
    return IngestResult(
        gallery_id="summer-wedding",
        upload_id="u1",
        flow_run_id="r1",
        flow_run_url="http://127.0.0.1:4200/runs/flow-run/0123456789abcdef0123456789abcdef",
        state="completed_with_rejects",
        image_count=1361,
        counts=counts,
        duration_seconds=120.0,
        problems=problems,
    )


@pytest.mark.parametrize(
    ("counts", "ok"),
    [
        ({"saved": 1000, "replaced": 300, "unchanged": 61}, True),
        ({"saved": 1360, "rejected": 1}, False),
        ({"saved": 1360, "superseded": 1}, False),
        ({"saved": 1360, "pending": 1}, False),
        ({}, False),
    ],
    ids=["all good", "one rejected", "one superseded", "one pending", "nothing"],
)
def test_only_a_gallery_that_shows_every_image_is_ok(counts: dict[str, int], ok: bool) -> None:
    assert result_with(counts).ok is ok


def test_the_summary_says_what_happened_how_fast_and_where_to_look() -> None:
    problem = ReportedProblem("card1/[red]x.JPG", "rejected", "process", "truncated", "ends early")
    out = io.StringIO()
    print_summary(result_with({"saved": 1358, "rejected": 3}, problem), Console(file=out, width=60))
    text = out.getvalue()
    for words in ("1,358 of 1,361", "11.3 images/s", "[red]x.JPG", "truncated", "ends early", "and 2 more"):
        assert words in " ".join(text.split())
    assert "http://127.0.0.1:4200/runs/flow-run/0123456789abcdef0123456789abcdef" in text


def test_what_was_skipped_and_what_others_were_faster_with_is_told() -> None:
    out = io.StringIO()
    print_summary(replace(result_with({"saved": 5, "rejected": 3}), skipped=2, to_decide=3), Console(file=out))
    text = " ".join(out.getvalue().split())
    assert "2 skipped: the gallery keeps its own" in text
    assert "3 files not taken: somebody else put other photographs under the same names meanwhile. Run" in text


def test_a_comparison_is_a_line_for_each_kind_and_the_sentence_says_what_to_pass() -> None:
    def compared(name: str, would: Would, *others: str) -> ComparedPhotograph:
        file = LocalFile(name, Path(name), 2_000_000, "image/jpeg")
        return ComparedPhotograph(file, ReportedComparison(name, would, same_content_as=others))

    photographs = (
        compared("[red]a.jpg", "add"),
        compared("b\u202e.jpg", "replace"),
        compared("c.jpg", "replace"),
        compared("d.jpg", "replace", "e.jpg"),
        compared("f.jpg", "unknown"),
        compared("g.jpg", "leave_unchanged"),
    )
    comparison = FolderComparison(photographs, (ReportedProblem("h.mov", "rejected", "download", "x", "a video"),))
    out = io.StringIO()
    print_summary(not_sent("g", comparison, 1.0), Console(file=out, width=100))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines[:6] == [
        "1 would be added 2.0 MB [red]a.jpg",
        "1 in the gallery already 2.0 MB g.jpg",
        "1 in the gallery under another name 2.0 MB d.jpg",
        "2 would replace another photograph 4.0 MB 'b\\u202e.jpg', c.jpg",
        "1 have names of files in an upload under way 2.0 MB f.jpg",
        "1 left out",
    ]
    assert any(line.startswith("h.mov rejected x a video") for line in lines)
    assert why_not_sent(comparison) == (
        "nothing was sent: 3 files would replace others in the gallery, or may ('b\\u202e.jpg', c.jpg, f.jpg): "
        "pass --on-conflict keep-both, skip or replace; --dry-run shows the comparison"
    )
