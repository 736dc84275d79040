"""Prefect's side of `gallery setup`: work pool and queues, result storage, deployments, automations.

Run from the project's folder: `python -m deployments.set_up`. Running it again changes nothing that ops may have
changed in the UI (the settings of the pool and its queues, an automation that is switched off), and updates the rest.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, NamedTuple

from prefect.cli import app as prefect_command
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.automations import create_automations
from gallery.errors import ConflictError
from gallery.runs import FORMER_LIMIT, INGEST_QUEUE, POOL, REBUILD_QUEUE, UPKEEP_QUEUE
from tasks.result_storage import BLOCK_NAME, LibraryResultStorage

# Ingests at the same time, over all workers, until ops change it: one that computes and one that is about to.
DEFAULT_INGESTS = 2
# Left to itself, a process worker first starts a Python that prepares a workspace, for projects that are to be fetched,
# and then another: a CPU second more a run. Like the folder that Prefect notes in a deployment, the path is that of the
# set-up.
ENGINE = [sys.executable, "-m", "prefect.engine"]
# Descriptions of queues that are still as Prefect (`default`) or release 0.1.0 (`rebuild`) made them.
DESCRIPTIONS_BEFORE = (
    "The work pool's default queue.",
    "Rebuilds of renditions: started once no run of the queue default waits.",
)


class Queue(NamedTuple):
    """A work queue of the pool; `limit` is how many of its runs work at the same time, 1 is the highest priority."""

    name: str
    priority: int
    limit: int
    description: str


def create_work_pool(client: SyncPrefectClient) -> None:
    """Make the work pool, of type process, unless there is one (of whatever type ops prefer).

    A pool of type process that still has the default command, or one of an earlier set-up, gets this one's.
    """
    template = ProcessWorker.get_default_base_job_template()
    _command(template)["default"] = shlex.join(ENGINE)
    try:
        client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))
    except ObjectAlreadyExists:
        pool = client.read_work_pool(POOL)
        command = _command(pool.base_job_template)
        former = command.get("default") or ""
        if pool.type == ProcessWorker.type and _is_of_a_set_up(former) and former != shlex.join(ENGINE):
            command["default"] = shlex.join(ENGINE)
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=pool.base_job_template))


def _is_of_a_set_up(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:  # an unclosed quote: not ours, and the worker will say so
        return False
    return not words or words[1:] == ENGINE[1:]


def _command(template: dict[str, Any]) -> dict[str, Any]:
    command: dict[str, Any] = template.get("variables", {}).get("properties", {}).get("command", {})
    return command


def create_queues(client: SyncPrefectClient) -> None:
    """Make the pool's work queues, each with its limit. The limit of one that is there already is left as it is."""
    for wanted in queues(client):
        try:
            found = client.read_work_queue_by_name(wanted.name, POOL)
        except ObjectNotFound:
            client.create_work_queue(
                wanted.name,
                description=wanted.description,
                concurrency_limit=wanted.limit,
                priority=wanted.priority,
                work_pool_name=POOL,
            )
            continue
        if found.description in DESCRIPTIONS_BEFORE:
            limit = wanted.limit if found.concurrency_limit is None else found.concurrency_limit
            client.update_work_queue(found.id, description=wanted.description, concurrency_limit=limit)


def queues(client: SyncPrefectClient) -> Sequence[Queue]:
    """The work queues as they are made. Ingests get the number that ops gave the limit of release 0.1.0."""
    try:
        ingests = client.read_global_concurrency_limit_by_name(FORMER_LIMIT).limit
    except ObjectNotFound:
        ingests = DEFAULT_INGESTS
    return (
        Queue(INGEST_QUEUE, 1, ingests, "Uploads. The limit is how many are ingested at the same time."),
        Queue(REBUILD_QUEUE, 2, 1, "Rebuilds of renditions. They start when no upload waits in the queue default."),
        Queue(UPKEEP_QUEUE, 3, 1, "Sweeps of storage."),
    )


def save_result_storage() -> None:
    """Save the block that cached results are stored through; it holds no address and no secret."""
    LibraryResultStorage().save(BLOCK_NAME, overwrite=True)


def deploy() -> None:
    """Create or update the deployments of `prefect.yaml`, by Prefect's own command.

    In this process, which has imported Prefect already. Raises `SystemExit` where the command fails.
    """
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all"]
    with redirect_stdout(sys.stderr):
        prefect_command()


def check_no_former_leases(client: SyncPrefectClient) -> None:
    """Make sure that no run holds a lease of a deployment's concurrency limit, as those of release 0.1.0 do.

    Deployments have no limit any more. Prefect's server, when it deletes the limit of a run at work, can never end that
    run: it answers 500 to every state that the run proposes. Raises `ConflictError`.
    """
    at_work = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=at_work)))
    holding = [run.name for run in runs if run.state and run.state.state_details.deployment_concurrency_lease_id]
    if holding:
        raise ConflictError(
            f"runs of release 0.1.0 are at work ({', '.join(holding)}): set-up would remove the limit that they hold, "
            "and Prefect could never end them. Pause the work pool, wait for these runs or cancel them, and run set-up "
            "again"
        )


def main() -> None:
    """Set everything up, in the order in which one needs the other. Raises `ConflictError`."""
    with get_client(sync_client=True) as client:
        check_no_former_leases(client)
        create_work_pool(client)
        create_queues(client)
        create_automations(client)
    save_result_storage()
    deploy()


if __name__ == "__main__":
    try:
        main()
    except ConflictError as error:
        sys.exit(str(error))
