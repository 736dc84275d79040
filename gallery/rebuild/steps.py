"""The steps of a rebuild: count, windows of images, each image, and what to delete after a window.

Each image is a transaction of its own, and what is done is not selected again: a rebuild that was stopped, at
whatever point, is simply begun anew.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_snapshot, lock_version
from gallery.catalogue.outbox import note_deleted, still_to_do
from gallery.catalogue.outdated import (
    OutdatedCount,
    OutdatedVersion,
    commit_rebuild,
    count_outdated,
    is_current,
    list_outdated,
)
from gallery.errors import StagedFileError
from gallery.imaging.rendered import RenderedImage
from gallery.ingest.scratch import on_scratch
from gallery.ingest.stages import put_renditions
from gallery.models import Deletion
from gallery.rebuild.context import Rebuild


@dataclass(frozen=True, slots=True, weakref_slot=True)
class RebuildReceipt:
    """What became of one image: `rebuilt`, `superseded` by a later upload meanwhile, or `busy`, left alone since a
    run of its upload is under way. `deletions` are the renditions that are due to go now.
    """

    outcome: Literal["rebuilt", "superseded", "busy"]
    upload_id: str
    deletions: tuple[Deletion, ...] = ()


def count(rebuild: Rebuild) -> OutdatedCount:
    """How many images there are to rebuild. Raises `TransientError`."""
    with transaction(rebuild.engine) as session:
        return count_outdated(session, rebuild.selection)


def next_window(rebuild: Rebuild, after: OutdatedVersion | None) -> list[OutdatedVersion]:
    """The next images to rebuild, `settings.window` at most. Raises `TransientError`, `StaleUpkeep`."""
    with transaction(rebuild.engine) as session:
        rebuild.upkeep.hold(session)
        return list_outdated(session, rebuild.selection, after=after, limit=rebuild.settings.window)


def rebuild_image(rebuild: Rebuild, outdated: OutdatedVersion) -> RebuildReceipt:
    """Render an image's original anew, and make that its current version, unless something newer has come.

    Raises `RejectedImage` where the original is at fault (its limits may be lower now): the image keeps the version
    that it has. `StagedFileError` where the original is not what it was, `TransientError`.
    """
    source = rebuild.scratch / f"{outdated.image_id}.source"
    out = rebuild.scratch / f"{outdated.image_id}.renditions"
    try:
        with on_scratch():
            out.mkdir(exist_ok=True)
            try:
                _download(rebuild, outdated, source)
            except StagedFileError:
                with transaction(rebuild.engine) as session:
                    if is_current(session, outdated):
                        raise
                return RebuildReceipt("superseded", outdated.upload_id)
            return _commit(rebuild, outdated, rebuild.decoders.render(source, out))
    finally:
        source.unlink(missing_ok=True)
        shutil.rmtree(out, ignore_errors=True)


def _download(rebuild: Rebuild, outdated: OutdatedVersion, path: Path) -> None:
    storage = rebuild.storage
    found = storage.head(storage.library_bucket, outdated.original_key)
    if found is None:
        raise StagedFileError("missing_object", f"the original {outdated.original_key} is not in the library")
    sha256 = storage.download(outdated.original_key, found.etag, path, bucket=storage.library_bucket)
    if sha256 != outdated.sha256:
        raise StagedFileError("changed_during_ingest", f"the original {outdated.original_key} is not what was saved")


def _commit(rebuild: Rebuild, outdated: OutdatedVersion, rendered: RenderedImage) -> RebuildReceipt:
    with transaction(rebuild.engine) as session:
        status = lock_version(session, outdated.upload_id, outdated.image_id, outdated.version_id)
        if status != "current":
            return RebuildReceipt(status, outdated.upload_id)
        # Within the transaction, whose locks keep the sweep and the upload's next attempt waiting.
        image = put_renditions(rebuild.storage, outdated.keys, rebuild.recipe.recipe_id, outdated.sha256, rendered)
        deletions = commit_rebuild(
            session,
            outdated,
            image,
            style=rebuild.selection.style,
            styles={style.name for style in rebuild.recipe.styles},
            library_bucket=rebuild.storage.library_bucket,
            keep_replaced=timedelta(days=rebuild.settings.keep_replaced_days),
        )
    return RebuildReceipt("rebuilt", outdated.upload_id, tuple(deletions))


def clean_up(rebuild: Rebuild, receipts: Sequence[RebuildReceipt]) -> int:
    """Delete the renditions that a window's commits have made superfluous; returns how many.

    Safe to repeat. What is left, since storage does not answer (`TransientError`) or refuses (`DeletionRefused`), or
    since a run of the upload has begun, is in the outbox: the run or the sweep deletes it.
    """
    by_upload: dict[str, list[Deletion]] = defaultdict(list)
    for receipt in receipts:
        by_upload[receipt.upload_id] += receipt.deletions
    gone = 0
    for upload_id, deletions in by_upload.items():
        with transaction(rebuild.engine) as session:
            snapshot = lock_snapshot(session, upload_id)
            # A run that has begun meanwhile does it itself, with whatever else is due of its upload.
            due = still_to_do(session, deletions) if snapshot is not None and snapshot.has_ended else []
            deleted = rebuild.storage.delete(due)
            note_deleted(session, deleted)
        gone += len(deleted.done)
        deleted.raise_left()
    return gone
