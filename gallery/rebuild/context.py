"""What the images of one rebuild share: which ones are wanted, recipe, connections, decoders and scratch folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from gallery.catalogue.connect import transaction
from gallery.catalogue.maintenance import UpkeepAttempt
from gallery.catalogue.outdated import Selection, check_gallery
from gallery.errors import NotFoundError
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Recipe, Style
from gallery.ingest.scratch import rebuild_scratch
from gallery.ingest.workspace import (
    RenderResources,
    RunContext,
    open_render_resources,
)
from gallery.retrying import retry
from gallery.settings import Settings


class Rebuild(RunContext):
    """Everything that the images of one rebuild share. Safe to use from many threads."""

    def __init__(
        self,
        resources: RenderResources,
        decoders: DecoderPool,
        scratch: Path,
        selection: Selection,
        upkeep: UpkeepAttempt,
    ) -> None:
        super().__init__(resources, decoders, scratch)
        self.selection = selection
        self.upkeep = upkeep


def processors(settings: Settings) -> int:
    """Decoder subprocesses of a rebuild: half of an ingest's, for new uploads come first."""
    return max(1, settings.processors // 2)


@contextmanager
def open_rebuild(
    settings: Settings, upkeep: UpkeepAttempt, *, gallery_id: str | None, style: str | None
) -> Iterator[Rebuild]:
    """Make ready for a rebuild of one gallery or all (`None`), of one style or all, and take everything down again.

    Raises `NotFoundError` for a gallery or style that is not known, `ConfigurationError`, `TransientError`.
    """
    with ExitStack() as stack:
        resources = stack.enter_context(open_render_resources(settings, application="gallery-rebuild"))
        recipe = resources.recipe
        selection = Selection(recipe.recipe_id, style, gallery_id)
        wanted = recipe if style is None else replace(recipe, styles=_only(recipe, style))
        if gallery_id is not None:
            retry(settings, partial(_check_gallery, resources.engine, gallery_id))
        scratch = stack.enter_context(rebuild_scratch(settings.scratch_dir, upkeep.flow_run_id, upkeep.number))
        decoders = stack.enter_context(
            DecoderPool(processors(settings), wanted, resources.limits, memory_budget=settings.memory_budget // 2)
        )
        yield Rebuild(resources, decoders, scratch, selection, upkeep)


def _check_gallery(engine: Engine, gallery_id: str) -> None:
    with transaction(engine) as session:
        check_gallery(session, gallery_id)


def _only(recipe: Recipe, style: str) -> tuple[Style, ...]:
    found = tuple(one for one in recipe.styles if one.name == style)
    if not found:
        known = ", ".join(sorted(one.name for one in recipe.styles))
        raise NotFoundError(f"style {style!r} is not one of the recipe's, which are: {known}")
    return found
