"""What runs in a decoder subprocess. Pillow is imported here only after its environment is set."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenderedImage

MIB = 1024 * 1024
# Pillow keeps freed blocks for the next image instead of giving them back to the system, page by page:
# measured, 24-megapixel photographs, about a seventh more images a second. 24 blocks are what these need
# (64 are no faster); more would only be kept behind a very large file.
_PILLOW_BLOCKS = {"PILLOW_BLOCKS_MAX": "24", "PILLOW_BLOCK_SIZE": "4m"}
_USUAL_BYTES = 192 * MIB  # resident; what is more is given back after the image
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_ADDRESS_SPACE_SLACK = 384 * MIB  # thread stacks, allocator arenas, blocks that are kept


def initialize(memory_bytes: int) -> None:
    """Prepare this process: it outlives no parent, minds no signal, and cannot take more than
    `memory_bytes` beyond what it has now (and some slack)."""
    # Ctrl-C and a container's SIGTERM reach the whole group: only the parent decides what they mean. A child
    # that died of one would cost its file, which is not at fault.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    warnings.simplefilter("ignore")  # Pillow's, about each broken EXIF
    os.environ.update(_PILLOW_BLOCKS)
    _keep_freed_memory()
    from gallery.imaging import render  # noqa: F401, PLC0415 - Pillow reads the environment at import

    _limit_address_space(memory_bytes + _ADDRESS_SPACE_SLACK)


def render_file(source: Path, out_dir: Path, recipe: Recipe, limits: Limits, memory_granted: int) -> RenderedImage:
    """`render.render`, for the parent to name without importing Pillow."""
    from gallery.imaging.render import render  # noqa: PLC0415

    try:
        return render(source, out_dir, recipe, limits, memory_granted)
    finally:
        _give_back_memory()


def ready() -> None:
    """Do nothing: the first task starts the children, while the first downloads run."""


def _end_with_parent() -> None:
    # Also when the parent was killed, and while a decoder hangs. Not PR_SET_PDEATHSIG: that comes when the
    # parent's thread ends that started the child, not when the parent does.
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _glibc(function: str) -> Callable[..., int]:
    """A function of glibc's allocator; one that does nothing where there is another C library."""
    found: Callable[..., int] = getattr(ctypes.CDLL(None), function, lambda *_: 0)
    return found


def _keep_freed_memory() -> None:
    mallopt = _glibc("mallopt")
    mallopt(_M_MMAP_THRESHOLD, 32 * MIB)
    mallopt(_M_TRIM_THRESHOLD, 32 * MIB)


def _give_back_memory() -> None:
    """What a very large file took must not stay with this child while the next one goes to another."""
    if sys.platform.startswith("linux") and _memory_pages()[1] * mmap.PAGESIZE > _USUAL_BYTES:
        _glibc("malloc_trim")(0)


def _memory_pages() -> list[int]:
    """This process's memory in pages: size, resident and so on (proc(5), statm)."""
    return [int(field) for field in Path("/proc/self/statm").read_text(encoding="ascii").split()]


def _limit_address_space(more_bytes: int) -> None:
    """So that a decoder that asks for everything gets a `MemoryError` here, not the machine's OOM killer."""
    if not sys.platform.startswith("linux"):
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    used = _memory_pages()[0] * mmap.PAGESIZE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + more_bytes
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
