"""What a run works with: connections, decoders and a scratch folder; for an ingest also its attempt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from gallery.catalogue import claims
from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.connect import connect, transaction
from gallery.errors import TransientError
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.styles_file import load_limits, load_recipe
from gallery.ingest.host import is_gone, this_host
from gallery.ingest.lease import Lease
from gallery.ingest.scratch import attempt_scratch, check_scratch_dir
from gallery.models import Attempt, Entry, Terms
from gallery.retrying import retry
from gallery.settings import Settings
from gallery.storage.keys import EntryKeys, upload_prefix
from gallery.storage.s3 import Storage
from gallery.timings import Timings


@dataclass(frozen=True, slots=True)
class RenderResources:
    """What rendering images takes, for an ingest and a rebuild alike. Safe to use from many threads."""

    settings: Settings
    recipe: Recipe
    limits: Limits
    engine: Engine
    storage: Storage


@contextmanager
def open_render_resources(settings: Settings, *, application: str) -> Iterator[RenderResources]:
    """Read the recipe, check the scratch folder and open the connections; close them again, whatever happens.

    `application` names the connections to the database. Raises `ConfigurationError` before anything is opened.
    """
    recipe, limits = load_recipe(settings), load_limits(settings)
    check_scratch_dir(settings.scratch_dir)
    with ExitStack() as stack:
        storage = Storage(settings)
        stack.callback(storage.close)
        engine = connect(settings, application=application)
        stack.callback(engine.dispose)
        yield RenderResources(settings, recipe, limits, engine, storage)


class RunContext:
    """Everything that the images of one run share. Safe to use from many threads.

    Not a dataclass: Prefect searches those, field by field, in the arguments of every task run.
    """

    def __init__(self, resources: RenderResources, decoders: DecoderPool, scratch: Path) -> None:
        self.settings = resources.settings
        self.recipe = resources.recipe
        self.engine = resources.engine
        self.storage = resources.storage
        self.decoders = decoders
        self.scratch = scratch


class Workspace(RunContext):
    """What the stages of one attempt work with, besides the image at hand."""

    def __init__(self, resources: RenderResources, decoders: DecoderPool, scratch: Path, attempt: Attempt) -> None:
        super().__init__(resources, decoders, scratch)
        self.attempt = attempt
        self.timings = Timings()
        self.lease = Lease(self.engine, attempt)
        self.terms = Terms(self.recipe.recipe_id, resources.limits.fingerprint, self.settings.max_file_bytes)

    def source_path(self, number: int) -> Path:
        """Where an entry's staged file is kept while it is under way; its own name plays no part."""
        return self.scratch / f"{number}.source"

    @property
    def prefix(self) -> str:
        """The prefix of the keys of all objects of the upload, in both buckets."""
        return upload_prefix(self.attempt.gallery_id, self.attempt.upload_id)

    def keys_of(self, entry: Entry) -> EntryKeys:
        """The library keys of an entry, as it is claimed."""
        return EntryKeys(self.attempt.gallery_id, self.attempt.upload_id, entry.number, entry.write_number)


@contextmanager
def open_workspace(
    settings: Settings,
    *,
    gallery_id: str,
    upload_id: str | None,
    flow_run_id: UUID | None,
    force: bool = False,
    scheduled_at: datetime | None = None,
    is_first_of_api: bool = False,
) -> Iterator[Workspace]:
    """Begin the upload's next attempt with all it needs, and take everything down again, whatever happens.

    `scheduled_at` is when Prefect was asked for the run; `is_first_of_api` as of `begin_attempt`.

    Raises `ConfigurationError` before anything starts, `NotFoundError` or `ConflictError` for an upload that
    cannot be ingested, `TransientError` where the database does not answer.
    """
    with ExitStack() as stack:
        resources = stack.enter_context(open_render_resources(settings, application="gallery-ingest"))
        begin = partial(
            _begin_attempt,
            resources.engine,
            gallery_id=gallery_id,
            upload_id=upload_id,
            flow_run_id=flow_run_id,
            force=force,
            scheduled_at=scheduled_at,
            is_first_of_api=is_first_of_api,
        )
        # Where a commit's answer was lost, the attempt that was begun then is simply not the newest.
        attempt = retry(settings, begin)
        stack.callback(_leave, resources.engine, attempt)
        scratch = stack.enter_context(attempt_scratch(settings.scratch_dir, attempt))
        decoders = stack.enter_context(
            DecoderPool(settings.processors, resources.recipe, resources.limits, memory_budget=settings.memory_budget)
        )
        yield Workspace(resources, decoders, scratch, attempt)


def _begin_attempt(
    engine: Engine,
    *,
    gallery_id: str,
    upload_id: str | None,
    flow_run_id: UUID | None,
    force: bool,
    scheduled_at: datetime | None,
    is_first_of_api: bool,
) -> Attempt:
    with transaction(engine) as session:
        return begin_attempt(
            session,
            gallery_id=gallery_id,
            upload_id=upload_id,
            flow_run_id=flow_run_id,
            force=force,
            scheduled_at=scheduled_at,
            is_first_of_api=is_first_of_api,
            host=this_host(),
            process_id=os.getpid(),
            is_gone=is_gone,
        )


def _leave(engine: Engine, attempt: Attempt) -> None:
    # Without an answer, the lease says so soon enough.
    with suppress(TransientError), transaction(engine) as session:
        claims.leave(session, attempt.owner)
