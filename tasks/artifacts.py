"""What a run shows in the Prefect UI while it works and once it is through: an artifact of each kind, none an image.

None of them is worth a run: where the server does not take one, that is logged, and the work goes on.
"""

from __future__ import annotations

import time
from typing import cast
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from gallery.models import Attempt
from gallery.report import RunReport, markdown_summary, problem_rows

# Seconds between updates of the progress bar; each is a request.
UPDATE_EVERY = 2.0
NOT_TAKEN = (httpx.HTTPError, PrefectHTTPStatusError)


class RunProgress:
    """The share of an upload's images that are through, as a bar on the run's page.

    A run that finds nothing to do has none.
    """

    def __init__(self, attempt: Attempt, done: int) -> None:
        self._total, self._done = attempt.image_count, done
        self._artifact: UUID | None = None
        self._key = f"progress-{attempt.gallery_id}"
        self._next = 0.0

    def advance(self, images: int) -> None:
        """Note that so many more are through."""
        self._done += images
        now = time.monotonic()
        if now < self._next and self._done < self._total:
            return
        self._next = now + UPDATE_EVERY
        share = 100 * self._done / self._total
        words = f"{self._done:,} of {self._total:,} images"
        try:
            if self._artifact is None:
                self._artifact = cast(UUID, create_progress_artifact(share, key=self._key, description=words))
            else:
                update_progress_artifact(self._artifact, share, description=words)
        except NOT_TAKEN as error:
            get_run_logger().warning("Prefect's server did not take the progress: %s", type(error).__name__)


def publish(report: RunReport, attempt: Attempt) -> None:
    """Publish the table of problems, where there are any, and the summary."""
    try:
        problems = None
        if report.problems:
            table = create_table_artifact(
                problem_rows(report.problems),
                key=f"problems-{attempt.gallery_id}",
                description="What was rejected or failed, and why",
            )
            problems = _artifact_url(cast(UUID, table))
        create_markdown_artifact(
            markdown_summary(report, attempt, problems_url=problems),
            key=f"gallery-{attempt.gallery_id}",
            description=report.message,
        )
    except NOT_TAKEN as error:
        get_run_logger().warning("Prefect's server did not take the artifacts: %s", type(error).__name__)


def _artifact_url(artifact_id: UUID) -> str | None:
    # `prefect.utilities.urls.url_for` knows the pages of everything but artifacts.
    ui = get_current_settings().ui_url
    return f"{ui.rstrip('/')}/artifacts/artifact/{artifact_id}" if ui else None
