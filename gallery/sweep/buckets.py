"""The two buckets, page by page in the order of their keys: memory is that of one page, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.references import awaiting_deletion, referred_to
from gallery.catalogue.snapshots import Standing, read_standings
from gallery.models import Deletion
from gallery.settings import CACHE_DAYS
from gallery.storage.s3 import RESULTS_PREFIX, StoredObject
from gallery.sweep.context import Broom, Candidate
from gallery.sweep.places import Owner, library_owner, staged_owner

# A day more than a result is good for: a worker may have read it in its last moment, by a clock that is slow.
RESULTS_AGE = timedelta(days=CACHE_DAYS + 1)

ByOwner = dict[Owner, list[StoredObject]]


def sweep_library(broom: Broom) -> None:
    """Take unreferenced originals and renditions of ended uploads, and cached results that have expired.

    An object of an upload that the catalogue does not know is left alone: runs write for known uploads only, so
    this is another catalogue than the one that the bucket belongs to, or an older one, restored.
    """
    bucket = broom.storage.library_bucket
    for page in broom.storage.list_pages(bucket):
        broom.findings.looked_at += len(page)
        old = [item for item in page if broom.is_older(item.modified_at, timedelta(0))]
        expired = [item for item in old if _is_result(item) and broom.is_older(item.modified_at, RESULTS_AGE)]
        broom.discard([Candidate("results", Deletion(None, bucket, item.key), item.size) for item in expired])
        objects = [item for item in old if not _is_result(item)]
        with broom.reporting():
            _take_unreferenced(broom, _by_owner(broom, objects, library_owner))


def _is_result(item: StoredObject) -> bool:
    return item.key.startswith(RESULTS_PREFIX)


def _take_unreferenced(broom: Broom, owned: ByOwner) -> None:
    bucket = broom.storage.library_bucket
    with transaction(broom.engine) as session:
        standings = read_standings(session, {upload_id for _, upload_id in owned})
        needed = _needed(session, bucket, [item.key for items in owned.values() for item in items])
    for (gallery_id, upload_id), items in owned.items():
        seen = standings.get(upload_id)
        if seen is None or seen.gallery_id != gallery_id:
            for item in items:
                broom.findings.unknown.add(item.key, item.size)
        elif seen.has_ended:
            left = [item for item in items if item.key not in needed]
            candidates = [Candidate("unreferenced", Deletion(None, bucket, item.key), item.size) for item in left]
            broom.take(upload_id, candidates, partial(_unreferenced_still, seen, bucket))


def _unreferenced_still(
    seen: Standing, bucket: str, session: Session, standing: Standing | None, deletions: Sequence[Deletion]
) -> list[Deletion]:
    # Another attempt has been there since: what was listed may have been written anew.
    if standing != seen:
        return []
    needed = _needed(session, bucket, [deletion.key for deletion in deletions])
    return [deletion for deletion in deletions if deletion.key not in needed]


def _needed(session: Session, bucket: str, keys: Sequence[str]) -> set[str]:
    return referred_to(session, keys) | awaiting_deletion(session, bucket, keys)


def sweep_staged(broom: Broom) -> None:
    """Take staged files, as they were listed, of uploads that ended `staged_days` ago, or that nobody knows."""
    kept = timedelta(days=broom.settings.staged_days)
    for page in broom.storage.list_pages(broom.storage.uploads_bucket):
        broom.findings.looked_at += len(page)
        old = [item for item in page if broom.is_older(item.modified_at, kept)]
        with broom.reporting():
            _take_expired(broom, kept, _by_owner(broom, old, staged_owner))


def _take_expired(broom: Broom, kept: timedelta, owned: ByOwner) -> None:
    bucket = broom.storage.uploads_bucket
    with transaction(broom.engine) as session:
        standings = read_standings(session, {upload_id for _, upload_id in owned})
    for (gallery_id, upload_id), items in owned.items():
        has_expired = partial(_has_expired, broom, kept, gallery_id)
        if has_expired(standings.get(upload_id)):
            candidates = [Candidate("staged", Deletion(None, bucket, item.key, item.etag), item.size) for item in items]
            broom.take(upload_id, candidates, partial(_expired_still, has_expired))


def _expired_still(
    has_expired: Callable[[Standing | None], bool],
    _session: Session,
    standing: Standing | None,
    deletions: Sequence[Deletion],
) -> list[Deletion]:
    return list(deletions) if has_expired(standing) else []


def _has_expired(broom: Broom, kept: timedelta, gallery_id: str, standing: Standing | None) -> bool:
    # Staged for a call that never came; or under a gallery that is not the upload's, where no entry can name it.
    if standing is None or standing.gallery_id != gallery_id:
        return True
    return standing.has_ended and broom.is_older(standing.finished_at, kept)


def _by_owner(broom: Broom, items: Iterable[StoredObject], owner: Callable[[str], Owner | None]) -> ByOwner:
    owned: ByOwner = defaultdict(list)
    for item in items:
        whose = owner(item.key)
        if whose is None:
            broom.findings.unknown.add(item.key, item.size)
        else:
            owned[whose].append(item)
    return owned
