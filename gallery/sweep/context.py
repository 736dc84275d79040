"""What all parts of a sweep share: where to look, what is old enough, and the only ways in which they delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_snapshot
from gallery.catalogue.maintenance import UpkeepAttempt
from gallery.catalogue.outbox import note_deleted
from gallery.catalogue.snapshots import UploadSnapshot
from gallery.errors import DeletionRefused, IngestError, MissingBucket
from gallery.models import Deleted, Deletion
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from gallery.sweep.findings import Category, Findings

# Objects deleted under one lock of their upload: a retry that begins just then waits that long.
BATCH = 100

MayGo = Callable[[Session, UploadSnapshot | None, Sequence[Deletion]], list[Deletion]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may go; its size in bytes, where it is known."""

    category: Category
    deletion: Deletion
    size: int = 0


@dataclass(frozen=True, slots=True)
class SweepContext:
    """A sweep under way. `grace` is the least age of what it takes, `now` the moment that ages are counted to."""

    settings: Settings
    engine: Engine
    storage: Storage
    findings: Findings
    grace: timedelta
    now: datetime
    upkeep: UpkeepAttempt | None = None
    """The run that this is an attempt of; `None` for a sweep by the command line."""

    def hold(self, session: Session) -> None:
        """Make sure that nobody else goes on with this sweep. Raises `StaleUpkeep`."""
        if self.upkeep is not None:
            self.upkeep.hold(session)

    def is_older(self, moment: datetime | None, age: timedelta) -> bool:
        """Whether something is older than `age`, and than the grace; what has no time is not."""
        return moment is not None and self.now - moment > max(age, self.grace)

    def take(self, upload_id: str, candidates: Sequence[Candidate], may_go: MayGo) -> None:
        """Delete objects of one upload, and note their outbox rows as done; in a dry run, only count them.

        The race that this closes: between the listing and the deletion a retry of the upload begins, finds its
        cached renditions intact, and commits a version that refers to what is deleted a moment later. So each batch
        is deleted while the upload's row is locked, as `begin_attempt` locks it and every writer of the upload
        shares it; `may_go` looks again under that lock, and returns what may still go. Who comes later finds gone
        what is gone: `is_intact` looks after the attempt has begun, and a rebuild puts its renditions there under
        the shared lock, in the transaction that commits them.
        """
        if self.findings.dry_run:
            self._count(candidates)
            return
        for start in range(0, len(candidates), BATCH):
            batch = candidates[start : start + BATCH]
            with self.reporting(batch):
                with transaction(self.engine) as session:
                    self.hold(session)
                    allowed = may_go(session, lock_snapshot(session, upload_id), [item.deletion for item in batch])
                    deleted = self.storage.delete(allowed)
                    note_deleted(session, deleted)
                self._note([candidate for candidate in batch if candidate.deletion in allowed], deleted)

    def discard(self, candidates: Sequence[Candidate]) -> None:
        """Delete objects that belong to no upload; in a dry run, only count them."""
        with self.reporting(candidates):
            if not self.findings.dry_run:
                with transaction(self.engine) as session:
                    self.hold(session)
                self._note(candidates, self.storage.delete([candidate.deletion for candidate in candidates]))
            else:
                self._count(candidates)

    @contextmanager
    def reporting(self, candidates: Sequence[Candidate] = ()) -> Iterator[None]:
        """Note what storage or database did not let us do; the sweep goes on with the rest.

        A missing bucket ends it: more is wrong than one deletion.
        """
        try:
            yield
        except MissingBucket:
            raise
        except IngestError as error:
            what = f"{error.reason} ({error.storage_code})" if isinstance(error, DeletionRefused) else error.reason
            self.findings.troubles[what] += 1
            for candidate in candidates:
                self.findings.kept.add(candidate.deletion.key, candidate.size)

    def _note(self, candidates: Sequence[Candidate], deleted: Deleted) -> None:
        """Count what is gone, and what is left with the reason."""
        left = {candidate.deletion: candidate for candidate in candidates}
        self._count([left.pop(deletion) for deletion in deleted.done])
        with self.reporting(list(left.values())):
            deleted.raise_left()

    def _count(self, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            self.findings.gone[candidate.category].add(candidate.deletion.key, candidate.size)
