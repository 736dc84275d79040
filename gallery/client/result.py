"""What became of a folder that was ingested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gallery.client.comparing import FolderComparison
from gallery.client.types import ReportedProblem, ReportedStatus
from gallery.models import GOOD_OUTCOMES, OUTCOMES, UploadState


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a folder, or of an upload that was retried.

    `upload_id` is `None` where nothing was sent: because all that can be sent is there (`completed`), or because
    nobody said what to do about conflicts, or only the comparison was wanted (`not_sent`, with `comparison`).
    `counts` has every outcome, and `pending` for what has none; files that were not sent are among them. `skipped` are
    those that would have replaced others and were not sent by choice; `image_count` is of all others.
    `to_decide` entries of the upload were rejected as `would_replace`; `notes` counts the notes of the others.
    `problems` are all of files that were not sent, and the first 100 of the upload. `duration_seconds` is the wall time
    from the first call of the API to the final state: comparing, sending, waiting in the queue and processing together;
    finding the files is not in it.
    """

    gallery_id: str
    upload_id: str | None
    flow_run_id: str | None
    flow_run_url: str | None
    state: UploadState | Literal["not_sent"]
    image_count: int
    counts: Mapping[str, int]
    duration_seconds: float
    problems: tuple[ReportedProblem, ...]
    skipped: int = 0
    to_decide: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    comparison: FolderComparison | None = None

    @property
    def images_per_second(self) -> float:
        """All images, whatever became of them, by `duration_seconds`."""
        return self.image_count / self.duration_seconds if self.duration_seconds > 0 else 0.0

    @property
    def ok(self) -> bool:
        """True only where every image is saved, replaced or unchanged, but for those that were skipped."""
        return self.image_count + self.skipped > 0 and self.good_count == self.image_count

    @property
    def good_count(self) -> int:
        """How many images the gallery now shows with the content that was sent."""
        return sum(self.counts.get(outcome, 0) for outcome in GOOD_OUTCOMES)

    @property
    def exit_status(self) -> int:
        """Exit status of a command that ingests: 0 only where `ok`, 3 where nothing was sent for want of a choice."""
        if self.state == "not_sent":
            return 3
        return 0 if self.ok else 1

    def to_json(self) -> dict[str, Any]:
        """The stable object that `--json` prints."""
        return {
            "gallery_id": self.gallery_id,
            "upload_id": self.upload_id,
            "flow_run_id": self.flow_run_id,
            "flow_run_url": self.flow_run_url,
            "state": self.state,
            "image_count": self.image_count,
            "counts": dict(self.counts),
            "duration_seconds": round(self.duration_seconds, 3),
            "images_per_second": round(self.images_per_second, 3),
            "problems": [asdict(problem) for problem in self.problems],
            "skipped": self.skipped,
            "notes": dict(self.notes),
            **({"comparison": self.comparison.to_json()} if self.comparison else {}),
        }


def result_of(
    gallery_id: str,
    status: ReportedStatus | None,
    seconds: float,
    *,
    unchanged: int = 0,
    skipped: int = 0,
    left_out: Sequence[ReportedProblem] = (),
) -> IngestResult:
    """The result of an upload (`None`: nothing was sent), and of the files beside it that were not sent."""
    counts = Counter({"unchanged": unchanged}) + Counter(problem.outcome for problem in left_out)
    counts += Counter({} if status is None else status.counts)
    return IngestResult(
        gallery_id=gallery_id,
        upload_id=None if status is None else status.upload_id,
        flow_run_id=None if status is None else status.flow_run_id,
        flow_run_url=None if status is None else status.flow_run_url,
        state="completed" if status is None else status.state,
        image_count=counts.total(),
        counts=_all_outcomes(counts),
        duration_seconds=seconds,
        problems=(*left_out, *(() if status is None else status.problems)),
        skipped=skipped,
        to_decide=0 if status is None else status.to_decide,
        notes={} if status is None else status.notes,
    )


def not_sent(gallery_id: str, comparison: FolderComparison, seconds: float) -> IngestResult:
    """The result where nothing was sent."""
    there = len(comparison.of("unchanged", "under_another_name"))
    counts = Counter({"unchanged": there}) + Counter(problem.outcome for problem in comparison.left_out)
    counts += Counter({"pending": len(comparison.photographs) - there})
    return IngestResult(
        gallery_id=gallery_id,
        upload_id=None,
        flow_run_id=None,
        flow_run_url=None,
        state="not_sent",
        image_count=counts.total(),
        counts=_all_outcomes(counts),
        duration_seconds=seconds,
        problems=comparison.left_out,
        comparison=comparison,
    )


def _all_outcomes(counts: Counter[str]) -> dict[str, int]:
    """A number for every outcome, and for `pending` where there are such."""
    every = {outcome: counts[outcome] for outcome in OUTCOMES}
    return every | ({"pending": counts["pending"]} if counts["pending"] else {})
