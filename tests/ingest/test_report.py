"""How a run ended, in a state and in words, and what an error means for an image."""

from __future__ import annotations

import pytest

from gallery.catalogue.counts import Counts, NotedEntry
from gallery.errors import IngestError, RejectedImage, StagedFileError, StaleAttempt, TransientError
from gallery.ingest.report import Fault, fault_of, markdown_summary, problem_of, problem_rows, report_run
from gallery.models import Attempt, Entry, EntryProblem, ObjectKey, Outcome, RunState
from gallery.notes import MEANINGS


def problem(number: int, outcome: str, reason: str) -> EntryProblem:
    return EntryProblem(number, f"{number}.jpg", outcome, "process", reason, "in words")  # type: ignore[arg-type]


def counts(pending: int = 0, **by_outcome: int) -> Counts:
    named: dict[Outcome, int] = by_outcome  # type: ignore[assignment]
    return Counts(named, pending)


AWAY, CUT = problem(1, "failed", "storage_unavailable"), problem(2, "rejected", "truncated")


@pytest.mark.parametrize(
    ("given", "problems", "state", "message"),
    [
        (counts(saved=1361), [], "completed", "1,361 of 1,361 saved"),
        (counts(saved=2, rejected=3), [CUT], "completed_with_rejects", "2 of 5 saved, 3 rejected"),
        (
            counts(saved=1358, rejected=2, failed=1),
            [CUT, AWAY],
            "failed",
            "1,358 of 1,361 saved, 2 rejected, 1 failed: storage_unavailable",
        ),
        (counts(replaced=3, unchanged=1), [], "completed", "3 of 4 replaced, 1 unchanged"),
        (counts(superseded=2), [], "completed", "0 of 2 saved, 2 superseded"),
        (counts(saved=1, pending=4), [], "failed", "1 of 5 saved, 4 pending"),
        (counts(), [], "completed", "0 of 0 saved"),
    ],
)
def test_a_run_is_summed_up_in_a_sentence(
    given: Counts, problems: list[EntryProblem], state: RunState, message: str
) -> None:
    report = report_run(given, problems, [], found_work=True)
    assert (report.state, report.message, list(report.problems)) == (state, message, problems)


def test_a_run_that_found_nothing_to_do_says_so() -> None:
    assert report_run(counts(saved=3), [], [], found_work=False).message == "Nothing to do: 3 of 3 saved"


def test_what_a_forced_run_could_not_redo_fails_it_and_keeps_its_outcome() -> None:
    report = report_run(counts(saved=3), [], [AWAY], found_work=True)
    assert report.state == "failed"
    assert report.message == "3 of 3 saved; 1 could not be redone and stay as they were: storage_unavailable"


def test_reasons_of_failures_stand_in_the_order_of_how_many() -> None:
    failures = [AWAY, problem(3, "failed", "database_unavailable"), problem(4, "failed", "database_unavailable")]
    message = report_run(counts(saved=1, failed=3), failures, [], found_work=True).message
    assert message == "1 of 4 saved, 3 failed: database_unavailable, storage_unavailable"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RejectedImage("truncated", "cut off"), Fault("rejected", "truncated", "cut off")),
        (TransientError("storage_unavailable", "away"), Fault("failed", "storage_unavailable", "away")),
        (StagedFileError("missing_object", "gone"), Fault("failed", "missing_object", "gone")),
        (
            ValueError("/a/secret/path"),
            Fault("failed", "internal_error", "ValueError: the run's log has the details"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_an_outcome_a_reason_and_words(error: Exception, fault: Fault) -> None:
    assert fault_of(error) == fault
    entry = Entry(7, "a.jpg", ObjectKey("k"), "e", 1)
    assert problem_of("save", entry, error) == EntryProblem(
        7, "a.jpg", fault.outcome, "save", fault.reason, fault.message
    )


def test_a_defect_is_logged_with_its_traceback_and_nothing_else_is(caplog: pytest.LogCaptureFixture) -> None:
    fault_of(TransientError("storage_unavailable", "away"))
    fault_of(RejectedImage("truncated", "cut off"))
    assert caplog.records == []
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        fault_of(error)
    (record,) = caplog.records
    assert record.exc_info
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text


def test_a_stale_attempt_is_no_fault_of_an_image() -> None:
    error: IngestError = StaleAttempt("u", 3)
    with pytest.raises(StaleAttempt, match="attempt 3 has been ended or overtaken"):
        fault_of(error)


def test_the_table_has_a_row_per_problem_and_per_note() -> None:
    noted = [NotedEntry("2.jpg", "saved", ["damaged", "one_of_several"])]
    report = report_run(counts(saved=1, failed=1), [AWAY], [], noted, found_work=True)
    assert report.message == "1 of 2 saved, 1 failed: storage_unavailable; 1 damaged"
    assert problem_rows(report) == [
        {
            "file": "1.jpg",
            "outcome": "failed",
            "stage": "process",
            "reason": "storage_unavailable",
            "message": "in words",
        },
        *(
            {"file": "2.jpg", "outcome": "saved", "stage": "process", "reason": note, "message": MEANINGS[note]}
            for note in ("damaged", "one_of_several")
        ),
    ]


def test_the_summary_says_where_to_read_on_and_what_a_retry_does() -> None:
    attempt = Attempt("u1", "summer-wedding", 2, 1, 3)
    failed = report_run(counts(saved=1, rejected=1, failed=1), [CUT, AWAY], [], found_work=True)
    text = markdown_summary(failed, attempt, problems_url="http://prefect/artifacts/1")
    assert "# summer-wedding" in text
    assert "Upload `u1`, attempt 2: 1 of 3 saved, 1 rejected, 1 failed: storage_unavailable" in text
    assert "(http://prefect/artifacts/1)" in text
    assert "**Retry**" in text
    good = markdown_summary(report_run(counts(saved=3), [], [], found_work=True), attempt, problems_url=None)
    assert "Retry" not in good
    assert "rejected" not in good


def test_the_summary_says_who_decides_about_what_would_replace_another_image() -> None:
    attempt = Attempt("u1", "summer-wedding", 2, 1, 3)
    asked = report_run(
        counts(saved=1, rejected=2),
        [problem(1, "rejected", "would_replace"), problem(2, "rejected", "left_out")],
        [],
        found_work=True,
    )
    text = markdown_summary(asked, attempt, problems_url=None)
    assert "/v1/uploads/u1/decide" in text
    assert "at fault" not in text
    both = report_run(counts(rejected=2), [problem(1, "rejected", "would_replace"), CUT], [], found_work=True)
    assert "at fault" in markdown_summary(both, attempt, problems_url=None)
