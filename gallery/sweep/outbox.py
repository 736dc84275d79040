"""Due outbox rows that a run or the API left behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.outbox import claim_left, list_left, still_to_do
from gallery.catalogue.snapshots import UploadSnapshot
from gallery.models import Deletion
from gallery.storage.keys import owner_of
from gallery.sweep.context import Candidate, SweepContext

# Rows read, or claimed, at once.
PAGE = 500


def sweep_outbox(context: SweepContext) -> None:
    """Do the deletions that are due, but for those of an upload with an open run, which does its own.

    They are claimed, so that neither another sweep nor the API's thread takes the same at once.
    """
    read = list_left if context.findings.dry_run else claim_left
    after = 0
    while True:
        with transaction(context.engine) as session:
            page = read(session, after=after, limit=PAGE)
        if not page:
            return
        after = page[-1].outbox_id or after
        # A former version's objects belong to another upload than the one whose save gave them up.
        by_upload: dict[str, list[Candidate]] = defaultdict(list)
        for deletion in page:
            owner = owner_of(deletion.key)
            by_upload[owner[1] if owner else ""].append(Candidate("outbox", deletion))
        for upload_id, candidates in by_upload.items():
            context.take(upload_id, candidates, _due_still)


def _due_still(session: Session, snapshot: UploadSnapshot | None, deletions: Sequence[Deletion]) -> list[Deletion]:
    if snapshot is not None and not snapshot.has_ended:
        return []
    return still_to_do(session, deletions)
