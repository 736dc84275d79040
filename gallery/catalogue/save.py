"""The save's one transaction: a version becomes current, or does not, and both leave nothing unaccounted for."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from gallery.catalogue.locks import find_or_create_image, lock_attempt_for_entry
from gallery.catalogue.outbox import due_deletions, put_in_outbox
from gallery.catalogue.outcomes import Settlement, write_outcomes
from gallery.catalogue.references import referred_to
from gallery.catalogue.tables import EntryRow, ImageRow, VersionRow
from gallery.catalogue.versions import SavedSource, current_version, make_current
from gallery.models import Attempt, Entry, ObjectKey, Outcome, ProcessedImage, SaveReceipt
from gallery.timings import Timing


def commit_version(
    session: Session,
    attempt: Attempt,
    entry: Entry,
    image: ProcessedImage,
    *,
    original_key: ObjectKey,
    uploads_bucket: str,
    library_bucket: str,
    keep_replaced: timedelta = timedelta(0),
    timing: Timing | None = None,
) -> SaveReceipt:
    """Give `entry` its outcome under its image's row lock, and list what that makes superfluous.

    `saved` or `replaced` makes the new version current; `unchanged` and `superseded`, found only now, give up the
    entry's own new objects. Called again after a commit whose answer was lost, it returns the same receipt.
    Raises `StaleAttempt` where a newer attempt has begun: nothing is written then.
    """
    row = lock_attempt_for_entry(session, attempt, entry.number)
    if (settled := _settled_before(row, attempt)) is not None:
        left = due_deletions(session, upload_id=attempt.upload_id, entry_number=entry.number)
        return SaveReceipt(entry.number, entry.file_name, settled, tuple(left))

    identity = find_or_create_image(session, attempt.gallery_id, entry.file_name)
    current = current_version(session, identity)
    outcome = _judge(attempt, image, identity, current)
    is_new = outcome in ("saved", "replaced")
    if is_new:
        source = SavedSource(attempt.upload_id, entry.number, entry.etag, entry.size, original_key)
        # A forced repeat of the very same upload writes the same keys again: those are not among them.
        gone = make_current(session, identity, current, source, image)
    else:
        # Never a key that a row refers to: a repeated attempt may find its own version to be the current one.
        mine = {original_key, *(rendition.key for rendition in image.renditions)}
        gone = sorted(mine - referred_to(session, mine))
    if outcome != "superseded":
        identity.last_seq = attempt.accepted_seq

    due_in = keep_replaced if is_new else timedelta(0)
    superfluous = [(library_bucket, key, None) for key in gone]
    deletions = put_in_outbox(session, attempt.upload_id, entry.number, superfluous, due_in)
    if outcome == "replaced":
        staged = [(uploads_bucket, entry.staged_key, entry.etag)]
        deletions += put_in_outbox(session, attempt.upload_id, entry.number, staged, timedelta(0))
    session.flush()
    bytes_out = entry.size + sum(rendition.bytes for rendition in image.renditions) if is_new else 0
    timing = timing or Timing(processed=image)
    write_outcomes(session, attempt, [Settlement(entry.number, outcome, identity.image_id, timing, bytes_out)])
    return SaveReceipt(entry.number, entry.file_name, outcome, tuple(deletions))


def _settled_before(row: EntryRow, attempt: Attempt) -> Outcome | None:
    """The outcome that an earlier commit wrote and that is to be left alone."""
    if row.outcome in (None, "failed", "rejected") or not attempt.keeps(row.attempt):
        return None
    return row.outcome


def _judge(attempt: Attempt, image: ProcessedImage, identity: ImageRow, current: VersionRow | None) -> Outcome:
    if identity.last_seq > attempt.accepted_seq:
        return "superseded"
    if current is None:
        return "saved"
    same = (current.sha256, current.recipe_id) == (image.sha256, image.recipe_id)
    return "unchanged" if same and not attempt.force else "replaced"
