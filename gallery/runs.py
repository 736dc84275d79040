"""The one place that talks to Prefect's API: starts, retries and cancels runs, and says where to look at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkPoolStatus, WorkQueueStatus
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Crashed, Scheduled
from prefect.utilities.urls import url_for

from gallery.amounts import count_in_words
from gallery.catalogue.uploads import StartRequest
from gallery.errors import ConfigurationError, ConflictError, NotFoundError, PrefectUnavailable
from gallery.models import FINAL_STATES, UploadState

DEPLOYMENT = "ingest-gallery/ingest-gallery"
DEPLOYMENTS = (DEPLOYMENT, "rebuild-renditions/rebuild-renditions", "sweep-storage/sweep-storage")
POOL = "gallery"
# Work queues of the pool. How many runs of a queue work at the same time is the queue's limit, which ops change in the
# Prefect UI.
INGEST_QUEUE, REBUILD_QUEUE, UPKEEP_QUEUE = "default", "rebuild", "upkeep"
QUEUES = (INGEST_QUEUE, REBUILD_QUEUE, UPKEEP_QUEUE)
# The global concurrency limit that runs of release 0.1.0 take a slot of. They fail where it is missing.
FORMER_LIMIT = "gallery-ingest"
# The name of the state, of type Cancelled, of a run whose work another run does: nobody has cancelled the upload.
REPLACED = "Replaced"
# Made by `gallery setup`; ops may switch it off in the Prefect UI.
RETRY_AUTOMATION = "gallery: a crashed run is retried once"
# States of runs that will do nothing more, and have not done their work.
DEAD_STATES = (StateType.CANCELLED, StateType.CANCELLING, StateType.CRASHED, StateType.FAILED)
# Flow runs that are asked for at once; the server's own limit is 200.
PAGE = 200
# How long a caller of ours may be kept waiting for Prefect's answer.
ANSWER_SECONDS = 10
HEALTH_SECONDS = 1
# How long Prefect may take to hear of an end that the catalogue has already.
# The tag of runs that nobody has started in Prefect; the history tells them apart by it.
STARTED_BY_API = "started-by-api"
LAG_SECONDS = 5
# How long a run waits for a server that is being restarted.
OUTAGE_SECONDS = 600
# How long a run that a worker has just claimed is left to start when a retry is requested.
STARTING = timedelta(seconds=30)

Phase = Literal[
    "scheduled", "pending", "running", "paused", "cancelling", "completed", "failed", "crashed", "cancelled"
]
"""The type of a run's state in Prefect."""


def run_name(gallery_id: str, image_count: int) -> str:
    """What the run list shows: `summer-wedding · 1,361 images`."""
    return f"{gallery_id} · {count_in_words(image_count, 'image')}"


def flow_run_url(flow_run_id: UUID | None) -> str | None:
    """The run's page in the Prefect UI."""
    return url_for("flow-run", obj_id=flow_run_id) if flow_run_id else None


def upload_state(state: State[Any]) -> UploadState:
    """The upload's state for a run that ended outside its own report."""
    if state.name == REPLACED:
        return "crashed"
    if state.is_cancelled() or state.is_cancelling():
        return "cancelled"
    return "crashed" if state.is_crashed() else "failed"


def name_run(flow_run_id: UUID, current: str | None, wanted: str) -> None:
    """Give a run that was started by hand, or by a schedule, a name that says what it is about.

    A name is not worth a run: where Prefect does not take it, nothing happens.
    """
    if current != wanted:
        with suppress(httpx.HTTPError, PrefectHTTPStatusError), get_client(sync_client=True) as client:
            client.update_flow_run(flow_run_id, name=wanted)


def check_reachable() -> None:
    """Ask Prefect's API for a sign of life, within a second. Raises `PrefectUnavailable`.

    Without Prefect's client, which is patient: readiness probes are not. The route needs no credentials.
    """
    url = _api_url()
    # For HTTP, httpx would read all public certificates as well, 20 ms of CPU.
    verify = url.startswith("https:") and not get_current_settings().api.tls_insecure_skip_verify
    try:
        answer = httpx.get(f"{url}/health", timeout=HEALTH_SECONDS, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PrefectUnavailable(f"Prefect's API: {type(error).__name__}") from error
    if not answer.is_success:
        raise PrefectUnavailable(f"Prefect's API: HTTP {answer.status_code}")


def wait_until_reachable() -> None:
    """Wait for Prefect's API, retry: a run that has done its work need not crash for want of a listener.

    Gives up after some minutes without an error: whatever comes next then meets the trouble itself.
    """
    end = time.monotonic() + OUTAGE_SECONDS
    while time.monotonic() < end:
        with suppress(PrefectUnavailable):
            check_reachable()
            return
        time.sleep(1)


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as Prefect has it.

    `age` is how long it has been in its state, or overdue where it is scheduled (negative: it is due later).
    `was_claimed` tells whether a worker has had it. `end` is the upload's state and a message, once the run has ended.
    """

    flow_run_id: UUID
    name: str
    phase: Phase
    age: timedelta
    was_claimed: bool
    end: tuple[UploadState, str] | None


def look_at(flow_run_ids: Collection[UUID]) -> dict[UUID, SeenRun | None]:
    """Read how these runs are; None where Prefect does not have the run (any more). Raises `PrefectUnavailable`."""
    found: dict[UUID, SeenRun | None] = dict.fromkeys(flow_run_ids)
    wanted = sorted(flow_run_ids)
    with _prefect() as client:
        now = _server_time(client)
        for start in range(0, len(wanted), PAGE):
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=wanted[start : start + PAGE]))
            found |= {run.id: _seen(run, now) for run in client.read_flow_runs(flow_run_filter=chosen, limit=PAGE)}
    return found


def look_for_claimed() -> list[SeenRun]:
    """Read the pool's runs, of all its queues, that are `pending`, `running` or `cancelling`. Raises
    `PrefectUnavailable`.
    """
    with _prefect() as client:
        now = _server_time(client)
        types = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
        return [_seen(run, now) for run in _pool_runs(client, *types, limit=PAGE)]


def _pool_runs(client: SyncPrefectClient, *types: StateType, limit: int) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*types]))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=limit,
    )


def _server_time(client: SyncPrefectClient) -> datetime:
    # States carry the server's time, from which this machine's clock may differ.
    return parsedate_to_datetime(client.hello().headers["date"])


def _seen(run: FlowRun, now: datetime) -> SeenRun:
    state = run.state
    if state is None:  # none has been proposed yet
        return SeenRun(run.id, run.name, "scheduled", timedelta(0), was_claimed=False, end=None)
    since = state.state_details.scheduled_time if state.is_scheduled() else None
    end = (upload_state(state), state.message or state.name or "") if state.is_final() else None
    was_claimed = run.run_count > 0 or run.infrastructure_pid is not None
    phase: Phase = state.type.value.lower()  # type: ignore[assignment]
    return SeenRun(run.id, run.name, phase, now - (since or state.timestamp), was_claimed, end)


def retry_first_crashes(flow_run_ids: Collection[UUID]) -> list[UUID]:
    """Retry those of these runs that have crashed in their first execution and that nobody has taken up, unless ops
    have switched the automation off that should have done so; returns which. Raises `PrefectUnavailable`.

    Prefect's server holds events back for 15 minutes whose predecessors it has not seen: after a restart of its own,
    and after some 10,000 other events. The automation then comes too late.
    """
    with _prefect() as client:
        switch = client.read_automations_by_name(RETRY_AUTOMATION)
        if not any(automation.enabled for automation in switch):
            return []
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=sorted(flow_run_ids)[:PAGE])), limit=PAGE
        )
        due = [run for run in runs if run.run_count == 1 and run.state is not None and run.state.is_crashed()]
        retried = []
        for run in due:
            answer: OrchestrationResult[Any] = client.set_flow_run_state(
                run.id, AwaitingRetry(message="Crashed, and retried by the API, once")
            )
            if answer.status is SetStateStatus.ACCEPT:
                retried.append(run.id)
    return retried


@dataclass(frozen=True, slots=True)
class PoolState:
    """Whether the work pool would start one more ingest run now.

    `has_worker`: one asks for runs of that queue. It is true for a paused pool, whose workers Prefect does not tell:
    somebody meant it. A limit of 0, of the pool or of its queue, counts as paused. `is_busy` is true while a run of any
    queue is claimed or running. `has_deployment`: there is one to start ingests of, which `gallery setup` makes.
    """

    is_paused: bool
    has_worker: bool
    has_place: bool
    is_busy: bool = False
    pool_type: str = ""
    has_deployment: bool = True


def pool_state() -> PoolState:
    """Read the state of the work pool and its queue of ingests.

    Raises `PrefectUnavailable`, `NotFoundError` where there is no pool.
    """
    with _prefect() as client:
        pool = client.read_work_pool(POOL)
        queue = client.read_work_queue_by_name(INGEST_QUEUE, POOL)
        # A pool without a limit does not tell how many of its runs are at work.
        is_busy = bool(_pool_runs(client, StateType.PENDING, StateType.RUNNING, limit=1))
        try:
            has_deployment = bool(client.read_deployment_by_name(DEPLOYMENT))
        except ObjectNotFound:
            has_deployment = False
    used = [(item.active_slots or 0, item.concurrency_limit) for item in (pool, queue)]
    limits = [(active, limit) for active, limit in used if limit is not None]
    return PoolState(
        is_paused=pool.is_paused or queue.is_paused or any(limit == 0 for _, limit in limits),
        has_worker=pool.is_paused
        or (pool.status is not WorkPoolStatus.NOT_READY and queue.status is not WorkQueueStatus.NOT_READY),
        has_place=all(active < limit for active, limit in limits),
        is_busy=is_busy,
        pool_type=pool.type,
        has_deployment=has_deployment,
    )


def check_set_up() -> None:
    """Look for what `gallery setup` makes. Raises `ConfigurationError` that names what is missing, or
    `PrefectUnavailable`.
    """
    with _prefect() as client:
        wanted: Sequence[tuple[str, Callable[[], object]]] = (
            (f"work pool {POOL}", lambda: client.read_work_pool(POOL)),
            *((f"work queue {name}", partial(client.read_work_queue_by_name, name, POOL)) for name in QUEUES),
            *((f"deployment {name}", partial(client.read_deployment_by_name, name)) for name in DEPLOYMENTS),
        )
        missing = []
        for name, read in wanted:
            try:
                read()
            except ObjectNotFound:
                missing.append(name)
    if missing:
        raise ConfigurationError(f"Prefect has no {', no '.join(missing)}: run `gallery setup`")


def has_former_limit() -> bool:
    """Whether the limit of release 0.1.0 is still there. Raises `PrefectUnavailable`."""
    with _prefect() as client, suppress(ObjectNotFound):
        client.read_global_concurrency_limit_by_name(FORMER_LIMIT)
        return True
    return False


def remove_former_limit() -> None:
    """Remove the limit of release 0.1.0, if it is there. Raises `PrefectUnavailable`."""
    with _prefect() as client, suppress(ObjectNotFound):
        client.delete_global_concurrency_limit_by_name(FORMER_LIMIT)


def sweep_that_replaces(flow_run_id: UUID) -> str | None:
    """Say which sweep makes this one superfluous. `None`: this one has to work.

    That is one that began earlier and is at work; for a run of the schedule that started late, or is retried, also a
    later run of the schedule that is due by now or has done its work. A dry run replaces dry runs only. Raises
    `PrefectUnavailable`, or `NotFoundError` for a run that Prefect no longer has.
    """
    with _prefect() as client:
        mine = client.read_flow_run(flow_run_id)
        if mine.deployment_id is None or mine.start_time is None or mine.expected_start_time is None:
            return None
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[mine.deployment_id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[*DEAD_STATES])),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=PAGE,
        )
    for run in found:
        if run.id == mine.id or (_is_dry(run) and not _is_dry(mine)):
            continue
        began = run.start_time if run.state_type is StateType.RUNNING else None
        if began is not None and (began, run.id) < (mine.start_time, mine.id):
            return f"another sweep has been at work since {began:%H:%M:%S} UTC"
        was_due = run.expected_start_time
        if mine.auto_scheduled and run.auto_scheduled and was_due is not None and was_due > mine.expected_start_time:
            return f"the sweep that was due at {was_due:%Y-%m-%d %H:%M} UTC makes up for it"
    return None


def _is_dry(sweep: FlowRun) -> bool:
    # The parameter's default.
    return bool(sweep.parameters.get("dry_run", True))


@dataclass(frozen=True, slots=True)
class Replaced:
    """A run whose place another is to take, as it was seen then. To be ended (`end_replaced`) once that is stored."""

    flow_run_id: UUID
    state_id: UUID | None
    message: str


@dataclass(frozen=True, slots=True)
class Continuation:
    """The run that goes on with an upload, and the one that it replaces, if that has not ended."""

    flow_run_id: UUID
    replaces: Replaced | None = None


def retry_run(flow_run_id: UUID, upload_id: str, state: UploadState) -> Continuation | None:
    """Have the work of a run continued whose upload, on which no process works, is `state`.

    The same run does so, retried as by the UI's Retry button, where it has ended; `None` where it is about to start and
    is left alone. Otherwise, and where the run's deployment has been deleted (Prefect would cancel the retry), a new
    run takes its place.

    Raises `ConflictError` where Prefect refuses the retry, `NotFoundError` where it has forgotten the run,
    `PrefectUnavailable`.
    """
    with _prefect() as client:
        run = _settled(client, flow_run_id) if state in FINAL_STATES else client.read_flow_run(flow_run_id)
        seen = _seen(run, _server_time(client))
        starts = ("pending", "running") if state == "accepted" else ("pending",)
        if seen.phase == "scheduled" or (seen.phase in starts and seen.age < STARTING):
            return None
        if seen.end is None or not _has_deployment(client, run):
            return _follow(client, run, upload_id, "Retried through the API")
        answer: OrchestrationResult[Any] = client.set_flow_run_state(
            flow_run_id, AwaitingRetry(message="Retry through the API")
        )
        if answer.status is not SetStateStatus.ACCEPT:
            raise ConflictError(f"Prefect does not retry run {flow_run_id}: {answer.details}")
        return Continuation(flow_run_id)


def _settled(client: SyncPrefectClient, flow_run_id: UUID) -> FlowRun:
    """Read a run whose upload has ended; Prefect may hear of that end a moment later."""
    end = time.monotonic() + LAG_SECONDS
    while True:
        run = client.read_flow_run(flow_run_id)
        if run.state is None or run.state.type is not StateType.RUNNING or time.monotonic() > end:
            return run
        time.sleep(0.25)


def replace_run(flow_run_id: UUID, upload_id: str, why: str, *, delay: timedelta) -> Continuation:
    """Create a run, due after `delay`, that takes the place of one that never goes on; the same one however often it is
    asked. Raises `NotFoundError` where Prefect has forgotten the run, `PrefectUnavailable`.
    """
    with _prefect() as client:
        return _follow(client, client.read_flow_run(flow_run_id), upload_id, why, delay)


def end_replaced(replaced: Replaced) -> None:
    """End a run whose place another has taken, unless something has come of it meanwhile: then it is left alone.

    Raises `PrefectUnavailable`.
    """
    with suppress(NotFoundError), _prefect() as client:
        if client.read_flow_run(replaced.flow_run_id).state_id == replaced.state_id:
            _force(client, replaced.flow_run_id, Cancelled(name=REPLACED, message=replaced.message))


def end_run(flow_run_id: UUID, end: Literal["crashed", "cancelled"], why: str) -> None:
    """End a run that does not end by itself, whatever state it is in.

    Raises `NotFoundError` where Prefect has forgotten the run, `PrefectUnavailable`.
    """
    with _prefect() as client:
        _force(client, flow_run_id, Cancelled(message=why) if end == "cancelled" else Crashed(message=why))


def _force(client: SyncPrefectClient, flow_run_id: UUID, state: State[Any]) -> None:
    # Prefect's rules lead out of some states only through a process that is not there.
    client.set_flow_run_state(flow_run_id, state, force=True)


def _has_deployment(client: SyncPrefectClient, run: FlowRun) -> bool:
    if run.deployment_id is None:
        return False
    with suppress(ObjectNotFound):
        client.read_deployment(run.deployment_id)
        return True
    return False


def _follow(
    client: SyncPrefectClient, run: FlowRun, upload_id: str, why: str, delay: timedelta = timedelta(0)
) -> Continuation:
    """Create a run of today's deployment in place of `run` as it is now, once however often it is asked."""
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound as error:
        raise PrefectUnavailable(f"Prefect has no deployment {DEPLOYMENT}: run `gallery setup`") from error
    following = client.create_flow_run_from_deployment(
        deployment.id,
        # A run that was started by hand may name none: it took the latest upload of its time.
        parameters={**run.parameters, "upload_id": upload_id},
        state=Scheduled(scheduled_time=_server_time(client) + delay),
        name=run.name,
        tags=[tag for tag in run.tags if tag == STARTED_BY_API],
        idempotency_key=f"after-{run.id}-{run.state_id}",
    )
    if run.state is not None and run.state.is_final():
        return Continuation(following.id)
    return Continuation(following.id, Replaced(run.id, run.state_id, f"{why}; run {following.id} takes over"))


def cancel_run(flow_run_id: UUID) -> bool:
    """What the UI's Cancel button does; true where the run has ended by now, since no process had to be stopped.

    Otherwise the run is `Cancelling`, until its worker has ended its process. Raises `NotFoundError` where Prefect has
    forgotten the run, `PrefectUnavailable`.
    """
    with _prefect() as client:
        state = client.read_flow_run(flow_run_id).state
        if state is not None and (state.is_final() or state.is_cancelling()):
            return state.is_final()
        answer: OrchestrationResult[Any] = client.set_flow_run_state(
            flow_run_id, Cancelling(message="Cancelled through the API")
        )
        # Without a process to stop, the server goes straight to Cancelled.
        return answer.state is not None and answer.state.is_final()


def _api_url() -> str:
    url = get_current_settings().api.url
    if not url:
        # Prefect's client would start a server of its own, which knows nothing of ours.
        raise PrefectUnavailable("PREFECT_API_URL is not set: the address of Prefect's API")
    return url


@contextmanager
def _prefect() -> Iterator[SyncPrefectClient]:
    _api_url()
    try:
        with get_client(sync_client=True, httpx_settings={"timeout": ANSWER_SECONDS}) as client:
            yield client
    except ObjectNotFound as error:
        raise NotFoundError("Prefect does not know this any more") from error
    except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
        raise PrefectUnavailable(f"Prefect's API: {type(error).__name__}") from error


class RunStarter:
    """Starts one flow run an upload, however often it is asked: the upload's id is the idempotency key.

    Keeps its connection and the deployment's id, so that a start is one request. For one thread.
    """

    def __init__(self) -> None:
        self._client: SyncPrefectClient | None = None
        self._deployment_id: UUID | None = None

    def close(self) -> None:
        """Close the connection; the next start opens another."""
        if self._client is not None:
            self._client.__exit__(None, None, None)
        self._client, self._deployment_id = None, None

    def start(self, request: StartRequest) -> UUID:
        """Create the upload's flow run, or find the one it has. Raises `PrefectUnavailable`."""
        try:
            return self._start(request)
        except ObjectNotFound as error:
            self.close()
            raise PrefectUnavailable(f"Prefect has no deployment {DEPLOYMENT}: run `gallery setup`") from error
        except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
            self.close()
            raise PrefectUnavailable(f"Prefect's API: {type(error).__name__}") from error

    def _start(self, request: StartRequest) -> UUID:
        if self._client is None:
            _api_url()
            self._client = get_client(sync_client=True).__enter__()
        if self._deployment_id is None:
            self._deployment_id = self._client.read_deployment_by_name(DEPLOYMENT).id
        key = f"{request.upload_id}-{request.attempt}" if request.attempt else request.upload_id
        run = self._create(self._client, self._deployment_id, request, key)
        if run.state is not None and run.state.is_final() and not request.is_cancelled:
            # A former run of the same key, which others have replaced since: it does nothing more.
            run = self._create(self._client, self._deployment_id, request, f"{key}-{run.state_id}")
        return run.id

    @staticmethod
    def _create(client: SyncPrefectClient, deployment_id: UUID, request: StartRequest, key: str) -> FlowRun:
        return client.create_flow_run_from_deployment(
            deployment_id,
            parameters={"gallery_id": request.gallery_id, "upload_id": request.upload_id},
            name=run_name(request.gallery_id, request.image_count),
            tags=[STARTED_BY_API],
            idempotency_key=key,
        )
