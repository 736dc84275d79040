"""Prefect's side of `gallery setup`: work pool and queue, global limit, result storage, deployments, automations.

Run from the project's folder: `python -m deployments.set_up`. Running it again changes nothing that ops may have
changed in the UI (the pool's and the queue's settings, the limit's size, an automation switched off), and brings the
rest up to date.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import redirect_stdout
from typing import Any

from prefect.cli import app as prefect_command
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.automations import create_automations
from gallery.runs import LIMIT_NAME, POOL, REBUILD_QUEUE
from tasks.result_storage import BLOCK_NAME, LibraryResultStorage

# Ingests at once, over all workers, until ops change it: one that computes and one that is about to.
DEFAULT_RUNS_AT_ONCE = 2
# Left to itself, a process worker first starts a Python that prepares a workspace, for projects that are to be fetched,
# and then another: a CPU second more a run. Like the folder that Prefect notes in a deployment, the path is that of the
# set-up.
ENGINE = [sys.executable, "-m", "prefect.engine"]
# The pool's `default` has 1, the highest.
REBUILD_PRIORITY = 2


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


def create_rebuild_queue(client: SyncPrefectClient) -> None:
    """Make the queue that rebuilds wait in while runs of new uploads are there to be started, unless there is one."""
    try:
        client.read_work_queue_by_name(REBUILD_QUEUE, POOL)
    except ObjectNotFound:
        client.create_work_queue(
            REBUILD_QUEUE,
            description="Rebuilds of renditions: started once no run of the queue default waits.",
            priority=REBUILD_PRIORITY,
            work_pool_name=POOL,
        )


def create_limit(client: SyncPrefectClient) -> None:
    """Make the global concurrency limit of ingest runs, unless there is one."""
    try:
        client.read_global_concurrency_limit_by_name(LIMIT_NAME)
    except ObjectNotFound:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=LIMIT_NAME, limit=DEFAULT_RUNS_AT_ONCE)
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


def main() -> None:
    """Set everything up, in the order in which one needs the other."""
    with get_client(sync_client=True) as client:
        create_work_pool(client)
        create_rebuild_queue(client)
        create_limit(client)
        create_automations(client)
    save_result_storage()
    deploy()


if __name__ == "__main__":
    main()
