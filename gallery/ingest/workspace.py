"""What the stages of one run share: its attempt, connections, decoder pool and scratch folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.plan import Terms
from gallery.errors import ConfigurationError
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.styles_file import load_limits, load_recipe
from gallery.models import Attempt
from gallery.retrying import patiently
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from gallery.timings import Efforts

# Rebuilds have their scratch folders in here; no upload_id begins like this.
REBUILD_SCRATCH = "_rebuild"


class Workspace:
    """Everything a stage needs besides the image at hand. Safe to use from many threads.

    Not a dataclass: Prefect searches those, field by field, in the arguments of every task run.
    """

    def __init__(
        self,
        settings: Settings,
        attempt: Attempt,
        recipe: Recipe,
        limits: Limits,
        engine: Engine,
        storage: Storage,
        decoders: DecoderPool,
        scratch: Path,
    ) -> None:
        self.settings = settings
        self.attempt = attempt
        self.recipe = recipe
        self.engine = engine
        self.storage = storage
        self.decoders = decoders
        self.scratch = scratch
        self.efforts = Efforts()
        self.terms = Terms(recipe.recipe_id, limits.fingerprint, settings.max_file_bytes)

    def source_path(self, number: int) -> Path:
        """Where an entry's staged file is kept while it is under way; its own name plays no part."""
        return self.scratch / f"{number}.source"

    def library_prefix(self, number: int) -> str:
        """Where an entry's objects go in the library bucket; it shares them with no other entry."""
        return f"{self.attempt.prefix}{number}/"


@contextmanager
def open_workspace(
    settings: Settings,
    *,
    gallery_id: str,
    upload_id: str | None,
    flow_run_id: UUID | None,
    force: bool = False,
    scheduled_at: datetime | None = None,
) -> Iterator[Workspace]:
    """Begin the upload's next attempt with all it needs, and take everything down again, whatever happens.

    `scheduled_at` is when Prefect was asked for the run.

    Raises `ConfigurationError` before anything starts, `NotFoundError` or `ConflictError` for an upload that
    cannot be ingested, `TransientError` where the database does not answer.
    """
    recipe, limits = load_recipe(settings), load_limits(settings)
    check_scratch_dir(settings.scratch_dir)
    with ExitStack() as stack:
        storage = Storage(settings)
        stack.callback(storage.close)
        engine = connect(settings, application="gallery-ingest")
        stack.callback(engine.dispose)

        def begin() -> Attempt:
            with transaction(engine) as session:
                return begin_attempt(
                    session,
                    gallery_id=gallery_id,
                    upload_id=upload_id,
                    flow_run_id=flow_run_id,
                    force=force,
                    scheduled_at=scheduled_at,
                )

        # Where a commit's answer was lost, the attempt that was begun then is simply not the newest.
        attempt = patiently(settings, begin)
        scratch = _fresh_scratch(settings, attempt)
        stack.callback(_remove_scratch, scratch)
        decoders = stack.enter_context(
            DecoderPool(settings.processors, recipe, limits, memory_budget=settings.memory_budget)
        )
        yield Workspace(settings, attempt, recipe, limits, engine, storage, decoders, scratch)


def _fresh_scratch(settings: Settings, attempt: Attempt) -> Path:
    # The upload's folder as a whole: what a killed attempt left on this machine goes, too.
    upload_scratch = settings.scratch_dir / attempt.upload_id
    shutil.rmtree(upload_scratch, ignore_errors=True)
    scratch = upload_scratch / str(attempt.number)
    scratch.mkdir(mode=0o700, parents=True)
    return scratch


def _remove_scratch(scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):  # a newer attempt on this machine has its folder there
        scratch.parent.rmdir()


def check_scratch_dir(folder: Path) -> None:
    """Make the scratch folder; where it lies in a shared place, nobody else may have made it for us.

    Raises `ConfigurationError`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = folder.stat().st_uid == os.geteuid() and not folder.is_symlink()
    except OSError as error:
        raise ConfigurationError(f"GALLERY_SCRATCH_DIR: cannot make {folder}: {error.strerror}") from error
    if not ours:
        raise ConfigurationError(f"GALLERY_SCRATCH_DIR: {folder} belongs to another user; name another folder")
