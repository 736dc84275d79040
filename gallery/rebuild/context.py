"""What the images of one rebuild share: recipe, connections, decoder pool and scratch folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.outdated import Selection, check_gallery
from gallery.errors import NotFoundError
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Recipe, Style
from gallery.imaging.styles_file import load_limits, load_recipe
from gallery.ingest.workspace import REBUILD_SCRATCH, check_scratch_dir
from gallery.retrying import patiently
from gallery.settings import Settings
from gallery.storage.s3 import Storage


class Rebuild:
    """Everything that the images of one rebuild share. Safe to use from many threads.

    Not a dataclass: Prefect searches those, field by field, in the arguments of every task run.
    """

    def __init__(
        self,
        settings: Settings,
        recipe: Recipe,
        selection: Selection,
        engine: Engine,
        storage: Storage,
        decoders: DecoderPool,
        scratch: Path,
    ) -> None:
        self.settings = settings
        self.recipe = recipe
        self.selection = selection
        self.engine = engine
        self.storage = storage
        self.decoders = decoders
        self.scratch = scratch


def processors(settings: Settings) -> int:
    """Decoder subprocesses of a rebuild: half of an ingest's, for new uploads come first."""
    return max(1, settings.processors // 2)


@contextmanager
def open_rebuild(
    settings: Settings, *, gallery_id: str | None, style: str | None, flow_run_id: UUID
) -> Iterator[Rebuild]:
    """Make ready for a rebuild of one gallery or all (`None`), of one style or all, and take everything down again.

    Raises `NotFoundError` for a gallery or style that is not known, `ConfigurationError`, `TransientError`.
    """
    recipe, limits = load_recipe(settings), load_limits(settings)
    selection = Selection(recipe.recipe_id, style, gallery_id)
    wanted = recipe if style is None else replace(recipe, styles=_only(recipe, style))
    check_scratch_dir(settings.scratch_dir)
    with ExitStack() as stack:
        storage = Storage(settings)
        stack.callback(storage.close)
        engine = connect(settings, application="gallery-rebuild")
        stack.callback(engine.dispose)

        def check() -> None:
            if gallery_id is not None:
                with transaction(engine) as session:
                    check_gallery(session, gallery_id)

        patiently(settings, check)
        scratch = settings.scratch_dir / REBUILD_SCRATCH / str(flow_run_id)
        # What a killed attempt of this run left on this machine goes.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700, parents=True)
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        decoders = stack.enter_context(
            DecoderPool(processors(settings), wanted, limits, memory_budget=settings.memory_budget // 2)
        )
        yield Rebuild(settings, recipe, selection, engine, storage, decoders, scratch)


def _only(recipe: Recipe, style: str) -> tuple[Style, ...]:
    found = tuple(one for one in recipe.styles if one.name == style)
    if not found:
        known = ", ".join(sorted(one.name for one in recipe.styles))
        raise NotFoundError(f"style {style!r} is not one of the recipe's, which are: {known}")
    return found
