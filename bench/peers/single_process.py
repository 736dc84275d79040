"""A workspace for variants that decode in their own process, not in the pipeline's decoder subprocesses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gallery.catalogue.attempts import begin_attempt
from gallery.catalogue.connect import connect, transaction
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.render import render
from gallery.imaging.rendered import RenderedImage
from gallery.imaging.styles_file import load_limits, load_recipe
from gallery.ingest.workspace import Workspace
from gallery.models import Attempt
from gallery.settings import Settings
from gallery.storage.s3 import Storage


class OwnDecoder(DecoderPool):
    """Renders where it is called: no subprocess is ever started."""

    def __init__(self, recipe: Recipe, limits: Limits, memory_budget: int) -> None:
        super().__init__(1, recipe, limits, memory_budget)
        self._granted = memory_budget

    def render(self, source: Path, out_dir: Path) -> RenderedImage:
        """As the pool's own, without its protection from a decoder that dies or hangs."""
        return render(source, out_dir, self._recipe, self._limits, self._granted)


def begin(settings: Settings, gallery_id: str, upload_id: str) -> Attempt:
    """Begin the upload's attempt, as `open_workspace` does."""
    engine = connect(settings, application="bench", connections=1)
    with transaction(engine) as session:
        attempt = begin_attempt(session, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=None)
    engine.dispose()
    return attempt


@contextmanager
def open_for(settings: Settings, attempt: Attempt) -> Iterator[Workspace]:
    """A workspace of this process for an attempt that has begun; several processes may have one at once."""
    recipe, limits = load_recipe(settings), load_limits(settings)
    scratch = settings.scratch_dir / attempt.upload_id / str(attempt.number)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage, engine = Storage(settings), connect(settings, application="bench")
    try:
        decoder = OwnDecoder(recipe, limits, settings.memory_budget)
        yield Workspace(settings, attempt, recipe, limits, engine, storage, decoder, scratch)
    finally:
        engine.dispose()
        storage.close()
