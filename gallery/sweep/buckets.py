"""The two buckets, page by page in the order of their keys: memory is that of one page, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.references import awaiting_deletion, referred_to
from gallery.catalogue.snapshots import UploadSnapshot, read_snapshots
from gallery.models import Deletion, ObjectKey
from gallery.settings import CACHE_DAYS
from gallery.storage.keys import LibraryKey, Owner, StagedKey, is_result
from gallery.storage.s3 import StoredObject
from gallery.sweep.context import Candidate, SweepContext

# A day more than a result is good for: a worker may have read it in its last moment, by a clock that is slow.
RESULTS_AGE = timedelta(days=CACHE_DAYS + 1)

ByOwner = dict[Owner, list[StoredObject]]


def sweep_library(context: SweepContext) -> None:
    """Take unreferenced originals and renditions of ended uploads, and cached results that have expired.

    An object of an upload that the catalogue does not know is left alone: runs write for known uploads only, so
    this is another catalogue than the one that the bucket belongs to, or an older one, restored.
    """
    bucket = context.storage.library_bucket
    for page in context.storage.list_pages(bucket):
        context.findings.looked_at += len(page)
        old = [item for item in page if context.is_older(item.modified_at, timedelta(0))]
        expired = [item for item in old if is_result(item.key) and context.is_older(item.modified_at, RESULTS_AGE)]
        context.discard([Candidate("results", Deletion(None, bucket, item.key), item.size) for item in expired])
        objects = [item for item in old if not is_result(item.key)]
        with context.reporting():
            _take_unreferenced(context, _by_owner(context, objects, LibraryKey))


def _take_unreferenced(context: SweepContext, owned: ByOwner) -> None:
    bucket = context.storage.library_bucket
    with transaction(context.engine) as session:
        snapshots = read_snapshots(session, {upload_id for _, upload_id in owned})
        needed = _needed(session, bucket, [item.key for items in owned.values() for item in items])
    for (gallery_id, upload_id), items in owned.items():
        seen = snapshots.get(upload_id)
        if seen is None or seen.gallery_id != gallery_id:
            for item in items:
                context.findings.unknown.add(item.key, item.size)
        elif seen.has_ended:
            left = [item for item in items if item.key not in needed]
            candidates = [Candidate("unreferenced", Deletion(None, bucket, item.key), item.size) for item in left]
            context.take(upload_id, candidates, partial(_unreferenced_still, seen, bucket))


def _unreferenced_still(
    seen: UploadSnapshot, bucket: str, session: Session, snapshot: UploadSnapshot | None, deletions: Sequence[Deletion]
) -> list[Deletion]:
    # Another attempt has been there since: what was listed may have been written anew.
    if snapshot != seen:
        return []
    needed = _needed(session, bucket, [deletion.key for deletion in deletions])
    return [deletion for deletion in deletions if deletion.key not in needed]


def _needed(session: Session, bucket: str, keys: Sequence[ObjectKey]) -> set[ObjectKey]:
    return referred_to(session, keys) | awaiting_deletion(session, bucket, keys)


def sweep_staged(context: SweepContext) -> None:
    """Take staged files, as they were listed, of uploads that ended `staged_days` ago, or that nobody knows."""
    kept = timedelta(days=context.settings.staged_days)
    for page in context.storage.list_pages(context.storage.uploads_bucket):
        context.findings.looked_at += len(page)
        old = [item for item in page if context.is_older(item.modified_at, kept)]
        with context.reporting():
            _take_expired(context, kept, _by_owner(context, old, StagedKey))


def _take_expired(context: SweepContext, kept: timedelta, owned: ByOwner) -> None:
    bucket = context.storage.uploads_bucket
    with transaction(context.engine) as session:
        snapshots = read_snapshots(session, {upload_id for _, upload_id in owned})
    for (gallery_id, upload_id), items in owned.items():
        has_expired = partial(_has_expired, context, kept, gallery_id)
        if has_expired(snapshots.get(upload_id)):
            candidates = [Candidate("staged", Deletion(None, bucket, item.key, item.etag), item.size) for item in items]
            context.take(upload_id, candidates, partial(_expired_still, has_expired))


def _expired_still(
    has_expired: Callable[[UploadSnapshot | None], bool],
    _session: Session,
    snapshot: UploadSnapshot | None,
    deletions: Sequence[Deletion],
) -> list[Deletion]:
    return list(deletions) if has_expired(snapshot) else []


def _has_expired(context: SweepContext, kept: timedelta, gallery_id: str, snapshot: UploadSnapshot | None) -> bool:
    # Staged for a call that never came; or under a gallery that is not the upload's, where no entry can name it.
    if snapshot is None or snapshot.gallery_id != gallery_id:
        return True
    return snapshot.has_ended and context.is_older(snapshot.finished_at, kept)


def _by_owner(context: SweepContext, items: Iterable[StoredObject], grammar: type[LibraryKey | StagedKey]) -> ByOwner:
    owned: ByOwner = defaultdict(list)
    for item in items:
        key = grammar.parse(item.key)
        if key is None:
            context.findings.unknown.add(item.key, item.size)
        else:
            owned[key.owner].append(item)
    return owned
