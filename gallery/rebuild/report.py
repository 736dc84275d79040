"""How a rebuild went, in a state and in words; it stays small however many images there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Self

from gallery.amounts import count_in_words
from gallery.catalogue.outdated import OutdatedVersion
from gallery.errors import Reason
from gallery.ingest.report import fault_of
from gallery.models import RunState
from gallery.rebuild.steps import RebuildReceipt

# Problems that the report names, the first ones; all are in the run's log.
FIRST = 1000


@dataclass(frozen=True, slots=True)
class RebuildProblem:
    """An image that keeps the version it has: why, and in words for a person."""

    outdated: OutdatedVersion
    outcome: Literal["rejected", "failed"]
    reason: Reason
    message: str

    @classmethod
    def of(cls, outdated: OutdatedVersion, error: object) -> Self:
        """The problem of an image whose rebuild has raised this error."""
        fault = fault_of(error)
        return cls(outdated, fault.outcome, fault.reason, fault.message)


class RebuildReport:
    """Counts what became of the images, and names the first problems.

    `busy` is how many are left in the end since a run of their upload is under way, `deleted` how many former
    renditions are gone.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.problems: list[RebuildProblem] = []
        self.busy = 0
        self.deleted = 0

    def add(self, result: RebuildReceipt | RebuildProblem) -> None:
        """Count an image's result. A `busy` one is not counted here: whether it is left is known in the end."""
        if result.outcome != "busy":
            self.outcomes[result.outcome] += 1
        if isinstance(result, RebuildProblem):
            if result.outcome == "failed":
                self.reasons[result.reason] += 1
            if len(self.problems) < FIRST:
                self.problems.append(result)

    @property
    def state(self) -> RunState:
        """`failed` where a retry has something to do."""
        if self.outcomes["failed"] or self.busy:
            return "failed"
        return "completed_with_rejects" if self.outcomes["rejected"] else "completed"

    @property
    def message(self) -> str:
        """In a sentence: "1,358 of 1,361 rebuilt, 2 rejected, 1 failed: storage_unavailable"."""
        total = self.outcomes.total()
        parts = [f"{self.outcomes['rebuilt']:,} of {count_in_words(total, 'image')} rebuilt"]
        parts += [
            f"{number:,} {name}" for name in ("superseded", "rejected", "failed") if (number := self.outcomes[name])
        ]
        if self.reasons:
            parts[-1] += ": " + ", ".join(reason for reason, _ in self.reasons.most_common())
        said = ", ".join(parts) if total else "Nothing to do: every image is of the current recipe"
        if self.busy:
            said = (f"{said}; " if total else "") + f"{self.busy:,} left alone: a run of their upload is under way"
        return said

    def counts(self) -> dict[str, int]:
        """How many of each, for the history."""
        named = ("rebuilt", "superseded", "rejected", "failed")
        return {**{name: self.outcomes[name] for name in named}, "busy": self.busy, "deleted": self.deleted}

    def problem_rows(self) -> list[dict[str, str]]:
        """One row a problem, for Prefect's table artifact."""
        return [
            {
                "gallery": problem.outdated.gallery_id,
                "file": problem.outdated.file_name,
                "outcome": problem.outcome,
                "reason": problem.reason,
                "message": problem.message,
            }
            for problem in self.problems
        ]

    def to_markdown(self, problems_url: str | None) -> str:
        """For people, in Markdown, with where to read on."""
        rows = [f"| {name} | {number:,} |" for name, number in self.counts().items() if number]
        lines = ["# Rebuild", "", self.message, ""]
        if rows:
            lines += ["| what | number |", "| --- | ---: |", *rows, ""]
        if self.problems:
            table = f"[every problem with its reason]({problems_url})" if problems_url else "the table of problems"
            lines += [f"Images that keep the renditions they had: {table}."]
        if self.state == "failed":
            lines += ["**Retry** on this run's page works on what is left, and on nothing else."]
        return "\n".join(lines)
