"""Scratch folders that a killed run left on this machine: `{upload_id}/{attempt}`, and those of rebuilds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gallery.catalogue.connect import transaction
from gallery.catalogue.snapshots import read_snapshots
from gallery.ingest.scratch import REBUILD_SCRATCH
from gallery.names import UPLOAD_ID
from gallery.sweep.context import SweepContext


def sweep_scratch(context: SweepContext) -> None:
    """Remove folders of attempts that are over, and of rebuilds, once they are older than the grace.

    A newer attempt's folder has a number of its own, so that none can begin in one that is being removed. What no
    run of a known upload made is left alone, and so is a link, wherever it leads.
    """
    root = context.settings.scratch_dir
    for folder in _entries(root):
        if folder.name == REBUILD_SCRATCH and _is_folder(folder):
            for rebuild in _entries(folder):
                _remove_old(context, rebuild)
        elif UPLOAD_ID.fullmatch(folder.name) and _is_folder(folder):
            _sweep_upload(context, folder)
        else:
            context.findings.unknown.add(str(folder))


def _sweep_upload(context: SweepContext, folder: Path) -> None:
    with context.reporting():
        with transaction(context.engine) as session:
            snapshot = read_snapshots(session, [folder.name]).get(folder.name)
        if snapshot is None:
            context.findings.unknown.add(str(folder))
            return
        for attempt in _entries(folder):
            if not attempt.name.isdecimal():
                context.findings.unknown.add(str(attempt))
            elif snapshot.has_ended or int(attempt.name) < snapshot.attempt:
                _remove_old(context, attempt)
        with suppress(OSError):  # not empty: something in it was left alone
            if not context.findings.dry_run:
                folder.rmdir()


def _remove_old(context: SweepContext, folder: Path) -> None:
    if not _is_folder(folder):
        context.findings.unknown.add(str(folder))
        return
    size = _size(folder)
    try:
        # A folder's own time moves with every file that comes and goes in it; a rebuild has one an attempt in its own.
        newest = max(one.stat().st_mtime for one in (folder, *filter(_is_folder, _entries(folder))))
        if not context.is_older(datetime.fromtimestamp(newest, UTC), timedelta(0)):
            return
        if not context.findings.dry_run:
            shutil.rmtree(folder)  # follows no link
    except FileNotFoundError:
        return
    except OSError:
        context.findings.troubles["scratch_folder"] += 1
        context.findings.kept.add(str(folder), size)
        return
    context.findings.gone["scratch"].add(str(folder), size)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total
