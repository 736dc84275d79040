"""The scratch folder of a run: made, checked, and what becomes of errors of its disk."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

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
    with scratch_folder(scratch_dir / attempt.upload_id, attempt.number) as folder:
        yield folder


@contextmanager
def rebuild_scratch(scratch_dir: Path, flow_run_id: UUID, attempt: int) -> Iterator[Path]:
    """As `attempt_scratch`, for an attempt of a rebuild."""
    with scratch_folder(scratch_dir / REBUILD_SCRATCH / str(flow_run_id), attempt) as folder:
        yield folder


@contextmanager
def scratch_folder(parent: Path, attempt: int) -> Iterator[Path]:
    """Make a private, empty folder for an attempt, and remove it in the end. Raises `TransientError`.

    `parent` has those of all attempts: what a killed one left on this machine goes before.
    """
    shutil.rmtree(parent, ignore_errors=True)
    folder = parent / str(attempt)
    with on_scratch():
        folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # a newer attempt on this machine has its folder there
            parent.rmdir()


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
