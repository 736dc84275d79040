"""How a run ended, in a state and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gallery.catalogue.counts import Counts
from gallery.models import GOOD_OUTCOMES, OUTCOMES, Attempt, EntryProblem, Outcome

RunState = Literal["completed", "completed_with_rejects", "failed"]


@dataclass(frozen=True, slots=True)
class RunReport:
    """The upload's state after a run, a message such as "1,358 of 1,361 saved, 2 rejected, 1 failed:
    storage_unavailable", and the problems it stands with.
    """

    state: RunState
    message: str
    counts: Counts
    problems: tuple[EntryProblem, ...]


def report_run(
    counts: Counts, problems: Sequence[EntryProblem], kept: Sequence[EntryProblem], *, found_work: bool
) -> RunReport:
    """Sum up a run.

    `counts` and `problems` are the upload's, after the run. `kept` are entries that a forced run could not redo
    and that keep their former outcome. `found_work` is false where there was nothing to do.
    """
    message = _tally(counts, problems)
    if kept:
        why = ", ".join(sorted({problem.reason for problem in kept}))
        message += f"; {len(kept):,} could not be redone and stay as they were: {why}"
    if not found_work:
        message = f"Nothing to do: {message}"
    state: RunState = "completed_with_rejects" if counts["rejected"] else "completed"
    if counts["failed"] or counts.pending or kept:
        state = "failed"
    return RunReport(state, message, counts, (*problems, *kept))


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


def problem_rows(problems: Sequence[EntryProblem]) -> list[dict[str, str]]:
    """One row a problem, for Prefect's table artifact."""
    return [
        {
            "file": problem.file_name,
            "outcome": problem.outcome,
            "stage": problem.stage,
            "reason": problem.reason,
            "message": problem.message,
        }
        for problem in problems
    ]


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
    if report.problems:
        table = f"[every problem with its reason]({problems_url})" if problems_url else "the table of problems"
        lines += [f"What was rejected or failed: {table}."]
    if report.state == "failed":
        lines += ["**Retry** on this run's page works on what failed, and on nothing else."]
    if report.counts["rejected"]:
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
