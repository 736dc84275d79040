"""How a run ended, in a state and in words; and what an error means for an image."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gallery.catalogue.counts import Counts, NotedEntry
from gallery.errors import IngestError, Reason, RejectedImage, StaleAttempt, WouldReplace
from gallery.models import GOOD_OUTCOMES, OUTCOMES, Attempt, EntryProblem, Outcome, RunState, Stage
from gallery.notes import MEANINGS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error means for its image: outcome, reason, and in words."""

    outcome: Literal["rejected", "failed"]
    reason: Reason
    message: str
    conflict: str | None = None


def fault_of(error: object) -> Fault:
    """What becomes of an image whose stage has raised this error; logs it, if it is a defect. Raises it, if it is a
    `StaleAttempt`.
    """
    if isinstance(error, StaleAttempt):
        # It is no fault of the image: a newer attempt has taken over the upload.
        raise error
    if isinstance(error, WouldReplace):
        return Fault("rejected", error.reason, str(error), error.sha256)
    if isinstance(error, IngestError):
        return Fault("rejected" if isinstance(error, RejectedImage) else "failed", error.reason, str(error))
    if isinstance(error, BaseException):
        log.error("a defect: %r", error, exc_info=error)
    # By its type alone: what a foreign error says may be anything.
    return Fault("failed", "internal_error", f"{type(error).__name__}: the run's log has the details")


class Named(Protocol):
    """Something of an entry, with its number and file name."""

    @property
    def number(self) -> int: ...
    @property
    def file_name(self) -> str: ...


def problem_of(stage: Stage, entry: Named, error: object) -> EntryProblem:
    """The problem of an entry whose `stage` has raised this error. Raises it, if it is a `StaleAttempt`."""
    fault = fault_of(error)
    return EntryProblem(
        entry.number, entry.file_name, fault.outcome, stage, fault.reason, fault.message, fault.conflict
    )


@dataclass(frozen=True, slots=True)
class RunReport:
    """The upload's state after a run, a message such as "1,358 of 1,361 saved, 2 rejected, 1 failed:
    storage_unavailable", the problems it stands with, and the entries that have notes.
    """

    state: RunState
    message: str
    counts: Counts
    problems: tuple[EntryProblem, ...]
    noted: tuple[NotedEntry, ...] = ()


def report_run(
    counts: Counts,
    problems: Sequence[EntryProblem],
    kept: Sequence[EntryProblem],
    noted: Sequence[NotedEntry] = (),
    *,
    found_work: bool,
) -> RunReport:
    """Sum up a run.

    `counts`, `problems` and `noted` are the upload's, after the run. `kept` are entries that a forced run could not
    redo and that keep their former outcome. `found_work` is false where there was nothing to do.
    """
    message = _tally(counts, problems)
    if damaged := sum("damaged" in entry.notes for entry in noted):
        message += f"; {damaged:,} damaged"
    if kept:
        why = ", ".join(sorted({problem.reason for problem in kept}))
        message += f"; {len(kept):,} could not be redone and stay as they were: {why}"
    if not found_work:
        message = f"Nothing to do: {message}"
    state: RunState = "completed_with_rejects" if counts["rejected"] else "completed"
    if counts["failed"] or counts.pending or kept:
        state = "failed"
    return RunReport(state, message, counts, (*problems, *kept), tuple(noted))


def _tally(counts: Counts, problems: Sequence[EntryProblem]) -> str:
    seen: list[Outcome] = [outcome for outcome in OUTCOMES if counts[outcome]]
    first: Outcome = next((outcome for outcome in seen if outcome in GOOD_OUTCOMES), "saved")
    parts = [f"{counts[first]:,} of {counts.total:,} {first}"]
    parts += [f"{counts[outcome]:,} {outcome}" for outcome in seen if outcome != first]
    if counts["failed"]:
        # `failed` is the last of the outcomes.
        reasons = Counter(problem.reason for problem in problems if problem.outcome == "failed")
        parts[-1] += ": " + ", ".join(reason for reason, _ in reasons.most_common())
    if counts.pending:
        parts.append(f"{counts.pending:,} pending")
    return ", ".join(parts)


def problem_rows(report: RunReport) -> list[dict[str, str]]:
    """One row a problem and a note, for Prefect's table artifact."""
    problems = [
        (problem.file_name, problem.outcome, problem.stage, problem.reason, problem.message)
        for problem in report.problems
    ]
    notes = [
        (entry.file_name, entry.outcome or "", "process", note, MEANINGS.get(note, ""))
        for entry in report.noted
        for note in entry.notes
    ]
    columns = ("file", "outcome", "stage", "reason", "message")
    return [dict(zip(columns, row, strict=True)) for row in (*problems, *notes)]


def markdown_summary(report: RunReport, attempt: Attempt, *, problems_url: str | None) -> str:
    """The run's summary for people, in Markdown, with where to read on."""
    rows = [f"| {outcome} | {report.counts[outcome]:,} |" for outcome in OUTCOMES if report.counts[outcome]]
    lines = [
        f"# {attempt.gallery_id}",
        "",
        f"Upload `{attempt.upload_id}`, attempt {attempt.number}: {report.message}",
        "",
        "| outcome | images |",
        "| --- | ---: |",
        *rows,
        "",
    ]
    if report.problems or report.noted:
        table = f"[every file with its reason]({problems_url})" if problems_url else "the table of problems"
        lines += [f"What was rejected or failed, and what else is to be known: {table}."]
    if any("damaged" in entry.notes for entry in report.noted):
        lines += ["Damaged pictures are saved as far as they could be decoded: compare them with the originals."]
    if report.state == "failed":
        lines += ["**Retry** on this run's page works on what failed, and on nothing else."]
    reasons = {problem.reason for problem in report.problems if problem.outcome == "rejected"}
    if "would_replace" in reasons:
        lines += [
            "A file with reason `would_replace` is fine: the gallery has another image under its name. Its sender "
            "decides on the upload page which one to keep, or an application by "
            f"`/v1/uploads/{attempt.upload_id}/decide`."
        ]
    if reasons - {"would_replace", "left_out"}:
        lines += [
            "A rejected file is at fault itself: it has to be uploaded again, or its limit raised "
            "(`GALLERY_MAX_PIXELS`, `GALLERY_MAX_FILE_BYTES`) and the run retried."
        ]
    lines += [
        "",
        f"The API has it at `/v1/uploads/{attempt.upload_id}` and its images at "
        f"`/v1/galleries/{attempt.gallery_id}/images`.",
    ]
    return "\n".join(lines)
