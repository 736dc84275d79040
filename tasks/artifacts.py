"""What a run shows in the Prefect UI while it works and once it is through: an artifact of each kind, none an image.

None of them is worth a run: where the server does not take one, that is logged, and the work goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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

from gallery.ingest.report import RunReport, markdown_summary, problem_rows
from gallery.models import Attempt

# Seconds between updates of the progress bar; each is a request.
UPDATE_EVERY = 2.0
NOT_TAKEN = (httpx.HTTPError, PrefectHTTPStatusError)


class RunProgress:
    """The share of a run's images that are through, as a bar on the run's page; `name` is the gallery's.

    A run that finds nothing to do at its first attempt has none.
    """

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self._total, self._done = total, done
        self._artifact: UUID | None = None
        self._key = f"progress-{name}"
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

    def summary(problems_url: str | None) -> str:
        return markdown_summary(report, attempt, problems_url=problems_url)

    publish_summary(
        problem_rows(report),
        summary,
        problems_key=f"problems-{attempt.gallery_id}",
        summary_key=f"gallery-{attempt.gallery_id}",
        message=report.message,
    )


def publish_summary(
    rows: list[dict[str, str]],
    summary: Callable[[str | None], str],
    *,
    problems_key: str,
    summary_key: str,
    message: str,
) -> None:
    """Publish a table of `rows`, where there are any, and the Markdown that `summary` makes of its address."""
    try:
        problems_url = None
        if rows:
            described = "What was rejected or failed, and what else is to be known"
            table = create_table_artifact(rows, key=problems_key, description=described)
            problems_url = _artifact_url(cast(UUID, table))
        create_markdown_artifact(summary(problems_url), key=summary_key, description=message)
    except NOT_TAKEN as error:
        get_run_logger().warning("Prefect's server did not take the artifacts: %s", type(error).__name__)


def _artifact_url(artifact_id: UUID) -> str | None:
    # `prefect.utilities.urls.url_for` knows the pages of everything but artifacts.
    ui = get_current_settings().ui_url
    return f"{ui.rstrip('/')}/artifacts/artifact/{artifact_id}" if ui else None
