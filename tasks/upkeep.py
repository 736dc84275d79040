"""What a run of upkeep (rebuild, sweep) writes into the history and shows in the Prefect UI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run
from sqlalchemy.orm import Session

from gallery import runs
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.maintenance import UpkeepAttempt, begin_maintenance, end_maintenance, finish_maintenance
from gallery.errors import StaleUpkeep
from gallery.models import RunState, UploadState
from gallery.retrying import retry
from gallery.settings import Settings
from tasks.artifacts import publish_summary
from tasks.stale import leave_to_the_newer
from tasks.states import final_state


class UpkeepReport(Protocol):
    """How a run of upkeep went."""

    @property
    def state(self) -> RunState: ...
    @property
    def message(self) -> str: ...
    def counts(self) -> dict[str, int]:
        """For the history."""
        ...

    def problem_rows(self) -> list[dict[str, str]]:
        """One row per problem, for Prefect's table artifact."""
        ...

    def to_markdown(self, problems_url: str | None) -> str:
        """For people; `problems_url` is where that table is."""
        ...


class UpkeepRun:
    """A run of upkeep. Its flow sets `report` before it leaves the context."""

    def __init__(self, attempt: UpkeepAttempt) -> None:
        self.attempt = attempt
        self.report: UpkeepReport

    @property
    def final_state(self) -> State[Any]:
        """The state that the flow ends in."""
        return final_state(self.report.state, self.report.message)


@contextmanager
def upkeep_run(
    settings: Settings, flow_name: str, *, artifact_key: str, gallery_id: str | None = None
) -> Iterator[UpkeepRun]:
    """Write that this flow run has begun; in the end, how it ended, and publish its artifacts.

    An error passes through: the flow's hooks write its end. Where a newer attempt of the run has begun meanwhile, this
    process ends here without a state. Raises `TransientError` where the database does not answer.
    """
    run = UpkeepRun(retry(settings, partial(_begin_run, settings, UUID(this_run.id), flow_name, gallery_id)))
    try:
        yield run
        report = run.report
        retry(settings, partial(_finish_run, settings, run.attempt, report))
    except StaleUpkeep as error:
        leave_to_the_newer(run.attempt.flow_run_id, error)
    # What is done is written; the server, should it be away just now, is to hear of it.
    runs.wait_until_reachable()
    publish_summary(
        report.problem_rows(),
        report.to_markdown,
        problems_key=f"problems-{artifact_key}",
        summary_key=artifact_key,
        message=report.message,
    )


def _begin_run(settings: Settings, flow_run_id: UUID, flow_name: str, gallery_id: str | None) -> UpkeepAttempt:
    with _session(settings) as session:
        return begin_maintenance(
            session,
            flow_run_id=flow_run_id,
            flow_name=flow_name,
            gallery_id=gallery_id,
            requested_at=this_run.scheduled_start_time,
        )


def _finish_run(settings: Settings, attempt: UpkeepAttempt, report: UpkeepReport) -> None:
    with _session(settings) as session:
        finish_maintenance(session, attempt, report.state, report.message, report.counts())


def end_upkeep(settings: Settings, flow_run_id: UUID, state: UploadState, message: str) -> None:
    """Write how a run ended that could not do so itself. Raises `TransientError`."""
    with _session(settings) as session:
        end_maintenance(session, flow_run_id, state, message)


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    """A transaction on a connection of its own: a hook runs where the flow's connections are closed."""
    engine = connect(settings, application="gallery-maintenance", connections=1)
    try:
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()
