"""The scratch folder of a run: made, checked, and what becomes of errors of its disk."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gallery.errors import ConfigurationError, TransientError
from gallery.imaging.faults import is_disk_fault
from gallery.models import Attempt

# Rebuilds have their scratch folders in here; no upload_id begins like this.
REBUILD_SCRATCH = "_rebuild"


@contextmanager
def on_scratch() -> Iterator[None]:
    """Turn errors of the scratch folder's disk, which may be full for a while, into `TransientError`
    (`scratch_unavailable`).
    """
    try:
        yield
    except (ConnectionError, TimeoutError):  # errors of the operating system as well, but of a network
        raise
    except OSError as error:
        if not is_disk_fault(error):
            raise
        # Without the path: it is for ops to know, and callers read this.
        raise TransientError(
            "scratch_unavailable", f"the scratch folder of {socket.gethostname()}: {error.strerror}"
        ) from error


@contextmanager
def attempt_scratch(scratch_dir: Path, attempt: Attempt) -> Iterator[Path]:
    """A private, empty folder for an attempt while the block runs. Raises `TransientError`."""
    upload_scratch = scratch_dir / attempt.upload_id
    # The upload's folder as a whole: what a killed attempt left on this machine goes, too.
    try:
        with scratch_folder(upload_scratch / str(attempt.number), stale=upload_scratch) as scratch:
            yield scratch
    finally:
        with suppress(OSError):  # a newer attempt on this machine has its folder there
            upload_scratch.rmdir()


@contextmanager
def scratch_folder(folder: Path, *, stale: Path | None = None) -> Iterator[Path]:
    """Make a private, empty folder, and remove it in the end; `stale` (default: itself) is removed before.

    Raises `TransientError`.
    """
    shutil.rmtree(stale or folder, ignore_errors=True)
    with on_scratch():
        folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
