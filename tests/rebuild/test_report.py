"""How a rebuild went, in a state and in words."""

from __future__ import annotations

from uuid import uuid4

import pytest

from gallery.catalogue.outdated import OutdatedVersion
from gallery.errors import RejectedImage, TransientError
from gallery.rebuild.report import FIRST, RebuildProblem, RebuildReport
from gallery.rebuild.steps import RebuildReceipt
from gallery.storage.keys import EntryKeys

OUTDATED = OutdatedVersion(uuid4(), uuid4(), "g", "a.jpg", "u", 1, EntryKeys("g", "u", 1, 1).original(".jpg"), "sha", 2)
AWAY = RebuildProblem.of(OUTDATED, TransientError("storage_unavailable", "away"))
CUT = RebuildProblem.of(OUTDATED, RejectedImage("too_many_pixels", "too large by now"))
REBUILT, LATER, BUSY = (RebuildReceipt(outcome, "u") for outcome in ("rebuilt", "superseded", "busy"))


@pytest.mark.parametrize(
    ("results", "busy", "state", "message"),
    [
        ([], 0, "completed", "Nothing to do: every image is of the current recipe"),
        ([REBUILT], 0, "completed", "1 of 1 image rebuilt"),
        ([REBUILT, LATER, BUSY], 0, "completed", "1 of 2 images rebuilt, 1 superseded"),
        ([REBUILT, CUT], 0, "completed_with_rejects", "1 of 2 images rebuilt, 1 rejected"),
        ([AWAY, CUT], 0, "failed", "0 of 2 images rebuilt, 1 rejected, 1 failed: storage_unavailable"),
        ([REBUILT], 2, "failed", "1 of 1 image rebuilt; 2 left alone: a run of their upload is under way"),
        ([], 2, "failed", "2 left alone: a run of their upload is under way"),
    ],
)
def test_a_rebuild_is_summed_up_in_a_sentence(
    results: list[RebuildReceipt | RebuildProblem], busy: int, state: str, message: str
) -> None:
    report = RebuildReport()
    for result in results:
        report.add(result)
    report.busy = busy
    assert (report.state, report.message) == (state, message)


def test_it_stays_small_however_many_problems_there_are() -> None:
    report = RebuildReport()
    for _ in range(FIRST + 5):
        report.add(AWAY)
    assert len(report.problem_rows()) == FIRST
    assert report.counts()["failed"] == FIRST + 5


def test_the_summary_says_where_to_read_on() -> None:
    report = RebuildReport()
    report.add(AWAY)
    report.deleted = 3
    text = report.to_markdown("http://prefect/table")
    assert "(http://prefect/table)" in text
    assert "| deleted | 3 |" in text
    assert "**Retry**" in text
