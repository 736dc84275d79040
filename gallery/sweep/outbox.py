"""Due outbox rows that a run or the API left behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from gallery.catalogue.connect import transaction
from gallery.catalogue.outbox import claim_left, list_left, still_to_do
from gallery.catalogue.snapshots import Standing
from gallery.models import Deletion
from gallery.sweep.context import Broom, Candidate
from gallery.sweep.places import staged_owner

# Rows read, or claimed, at once.
PAGE = 500


def sweep_outbox(broom: Broom) -> None:
    """Do the deletions that are due, but for those of an upload with an open run, which does its own.

    They are claimed, so that neither another sweep nor the API's thread takes the same at once.
    """
    read = list_left if broom.findings.dry_run else claim_left
    after = 0
    while True:
        with transaction(broom.engine) as session:
            page = read(session, after=after, limit=PAGE)
        if not page:
            return
        after = page[-1].outbox_id or after
        # A former version's objects belong to another upload than the one whose save gave them up.
        by_upload: dict[str, list[Candidate]] = defaultdict(list)
        for deletion in page:
            owner = staged_owner(deletion.key)
            by_upload[owner[1] if owner else ""].append(Candidate("outbox", deletion))
        for upload_id, candidates in by_upload.items():
            broom.take(upload_id, candidates, _due_still)


def _due_still(session: Session, standing: Standing | None, deletions: Sequence[Deletion]) -> list[Deletion]:
    if standing is not None and not standing.has_ended:
        return []
    return still_to_do(session, deletions)
