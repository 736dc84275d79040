"""What runs in a decoder subprocess. Pillow is imported here only after its environment is set."""

from __future__ import annotations

import ctypes
import logging
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
from typing import Any

from gallery.errors import IngestError, RejectedImage
from gallery.imaging.faults import is_disk_fault
from gallery.imaging.gate import NeedsMoreMemory
from gallery.imaging.recipe import Limits, Recipe
from gallery.imaging.rendered import RenderedImage

MIB = 1024 * 1024
# The allocator keeps freed memory for the next image instead of giving it back to the system, page by page: a seventh
# more images a second. Pillow's own cache of blocks does the same beside it: no faster, and 50 MB more a child. Its
# blocks must be small enough for the allocator to keep.
_PILLOW_BLOCK_SIZE = "4m"
_KEPT_BYTES = 64 * MIB  # free at the top of the heap; with 32 MiB, some photographs take 7 % longer
_USUAL_BYTES = 192 * MIB  # resident; what is more is given back after the image
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
# Address space that is reserved and never used: thread stacks, allocator arenas, the file as it is walked.
_ADDRESS_SPACE_SLACK = 384 * MIB


def initialize() -> None:
    """Prepare this process: it outlives no parent, minds no signal, and keeps quiet."""
    # Ctrl-C and a container's SIGTERM reach the whole group: only the parent decides what they mean. A child
    # that died of one would cost its file, which is not at fault.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    warnings.simplefilter("ignore")  # Pillow's, about each broken EXIF
    os.environ["PILLOW_BLOCK_SIZE"] = _PILLOW_BLOCK_SIZE
    _keep_freed_memory()
    from gallery.imaging import jpeg, render  # noqa: F401, PLC0415 - Pillow reads the environment at import

    jpeg.decoder()  # imported while nothing waits for it
    _silence_decoders()


def render_file(source: Path, out_dir: Path, recipe: Recipe, limits: Limits, memory_granted: int) -> RenderedImage:
    """`render.render`, for the parent to name without importing Pillow.

    Takes at most `memory_granted` bytes beyond what this process has, and some slack.
    """
    from gallery.imaging.render import render  # noqa: PLC0415

    limit_memory(memory_granted)
    try:
        return render(source, out_dir, recipe, limits, memory_granted)
    except RejectedImage as rejection:
        rejection.metadata = _metadata(source)
        raise
    except (IngestError, NeedsMoreMemory):
        raise
    except MemoryError as error:
        raise RejectedImage("decoder_failed", "decoding ran out of memory") from error
    except Exception as error:
        if is_disk_fault(error):
            raise
        # Whatever a file can provoke, it costs that file only.
        raise RejectedImage("decoder_failed", f"the file cannot be rendered: {error!r}") from error
    finally:
        _give_back_memory()


def _metadata(source: Path) -> dict[str, Any]:
    """The metadata of a rejected file, for the history: which camera gives trouble. Nothing is decoded."""
    from PIL import Image  # noqa: PLC0415 - as above

    from gallery.imaging.metadata import read_exif, read_metadata  # noqa: PLC0415 - as above

    try:
        with Image.open(source) as image:
            return read_metadata(image, read_exif(image, None), None)
    except Exception:  # it is rejected as it is
        return {}


def ready() -> None:
    """Do nothing: the first task starts the children."""


def _silence_decoders() -> None:
    """Decoders write about each broken file to stderr, also from C; what there is to say is in the rejection."""
    logging.disable()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)


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
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _give_back_memory() -> None:
    """What a very large file took must not stay with this child while the next one goes to another."""
    if sys.platform.startswith("linux") and _memory_pages()[1] * mmap.PAGESIZE > _USUAL_BYTES:
        _glibc("malloc_trim")(0)


def _memory_pages() -> list[int]:
    """This process's memory in pages: size, resident and so on (proc(5), statm)."""
    return [int(field) for field in Path("/proc/self/statm").read_text(encoding="ascii").split()]


def limit_memory(granted: int) -> None:
    """So that a decoder that asks for everything gets a `MemoryError` here, not the machine's OOM killer.

    The soft limit only: each image sets its own.
    """
    if not sys.platform.startswith("linux"):
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    wanted = _memory_pages()[0] * mmap.PAGESIZE + granted + _ADDRESS_SPACE_SLACK
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
