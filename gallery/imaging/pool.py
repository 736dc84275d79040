"""Decodes in subprocesses that may die, hang or run out of memory at the cost of their own file only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Lock
from typing import Self

from pebble import ProcessExpired, ProcessPool

from gallery.errors import RejectedImage, TransientError
from gallery.imaging import child
from gallery.imaging.gate import NeedsMoreMemory, WeightedGate
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenderedImage
from gallery.imaging.spawning import DecoderContext

# A child may also have been killed from outside, over a file that is not at fault: one more chance.
_DEATHS_ALLOWED = 1
_BREAKDOWNS_ALLOWED = 4
_LOOK_AGAIN_SECONDS = 2.0

Renderer = Callable[[Path, Path, Recipe, Limits, int], RenderedImage]


class DecoderPool:
    """At most `processors` decoder subprocesses; a context manager, safe for any number of threads.

    They start with the first image, or before it with `warm_up`. The images under way at once take at most
    `memory_budget` bytes by estimate (one that takes more runs alone); an image is given up after
    `timeout_seconds` of decoding.
    """

    def __init__(
        self,
        processors: int,
        recipe: Recipe,
        limits: Limits,
        memory_budget: int,
        timeout_seconds: float = 120,
        renderer: Renderer = child.render_file,
    ) -> None:
        self._workers = processors
        self._recipe, self._limits = recipe, limits
        self._timeout_seconds = timeout_seconds
        self._renderer = renderer
        # Every image is let in with an equal share; only one that finds it needs more comes back for it.
        self._share = memory_budget // processors
        self._gate = WeightedGate(memory_budget)
        self._lock = Lock()
        self._pool: ProcessPool | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
        if pool is not None:
            _end(pool)

    def warm_up(self, images: int) -> None:
        """Start subprocesses, while the first downloads run: no more than there are `images` to come."""
        self._workers = max(1, min(self._workers, images))
        if images:
            self._running()

    def render(self, source: Path, out_dir: Path) -> RenderedImage:
        """`render.render` in a subprocess; waits for its turn.

        Raises `RejectedImage` as that does, and with `decoder_failed` where the decoder died or hung;
        `TransientError` where subprocesses cannot be kept running; `OSError` where the disk fails.
        """
        try:
            return self._render_within(self._share, source, out_dir)
        except NeedsMoreMemory as more:
            return self._render_within(more.bytes, source, out_dir)

    def _render_within(self, memory: int, source: Path, out_dir: Path) -> RenderedImage:
        deaths = 0
        with self._gate.hold(memory):
            for _ in range(_BREAKDOWNS_ALLOWED + _DEATHS_ALLOWED + 1):
                pool = self._running()
                try:
                    return self._run(pool, source, out_dir, memory)
                except TimeoutError:
                    raise RejectedImage(
                        "decoder_failed", f"decoding was given up after {self._timeout_seconds:g} seconds"
                    ) from None
                except MemoryError:
                    raise RejectedImage("decoder_failed", "decoding ran out of memory") from None
                except ProcessExpired as death:
                    deaths += 1
                    if deaths > _DEATHS_ALLOWED:
                        raise RejectedImage(
                            "decoder_failed", f"the decoder died of this file (exit code {death.exitcode})"
                        ) from None
                except BrokenProcessPool:
                    self._replace(pool)
        raise TransientError("internal_error", "decoder subprocesses end as soon as they start")

    def _run(self, pool: ProcessPool, source: Path, out_dir: Path, memory: int) -> RenderedImage:
        arguments = (source, out_dir, self._recipe, self._limits, memory)
        try:
            future: Future[RenderedImage] = pool.schedule(self._renderer, args=arguments, timeout=self._timeout_seconds)
        except RuntimeError as error:  # what pebble says of a pool that is no longer active
            raise BrokenProcessPool from error
        return _result(pool, future)

    def _start(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=self._workers,
            initializer=child.initialize,
            context=DecoderContext(),
        )
        pool.schedule(child.ready)
        return pool

    def _running(self) -> ProcessPool:
        with self._lock:
            if self._closed:
                raise TransientError("internal_error", "the decoder pool is closed")
            if self._pool is None:
                self._pool = self._start()
            return self._pool

    def _replace(self, broken: ProcessPool) -> None:
        """A child that ends while idle breaks the whole of pebble's pool: start another, once."""
        with self._lock:
            if self._pool is not broken:
                return
            self._pool = self._start()
        _end(broken)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _result(pool: ProcessPool, future: Future[RenderedImage]) -> RenderedImage:
    # A task that was queued while pebble's pool broke is never answered, so look whether it still lives.
    while not wait([future], timeout=_LOOK_AGAIN_SECONDS).done:
        if not pool.active and not future.done():
            raise BrokenProcessPool
    return future.result()
