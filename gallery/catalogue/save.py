"""The save's one transaction: a version becomes current, or does not, and both leave nothing unaccounted for."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from gallery.catalogue.locks import find_or_create_image, lock_attempt_for_entry
from gallery.catalogue.outbox import due_deletions, put_in_outbox, was_in_outbox
from gallery.catalogue.outcomes import Settlement, write_outcomes
from gallery.catalogue.references import referred_to
from gallery.catalogue.verdict import KEPT_OUTCOMES, judge, seq_of
from gallery.catalogue.versions import SavedSource, current_version, make_current
from gallery.errors import ResultGone
from gallery.models import Attempt, Entry, ObjectKey, ProcessedImage, SaveReceipt
from gallery.storage.keys import LibraryKey
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

    Nothing is written where it raises: `StaleAttempt` where a newer attempt has begun, `ClaimLost` where another
    process has taken over the entry, `ResultGone` where `image` names files that an earlier save has given up,
    `WouldReplace` where its sender does not expect what the gallery has under its name.
    """
    row = lock_attempt_for_entry(session, attempt, entry.number)
    if row.attempt == attempt.number and row.outcome in KEPT_OUTCOMES:
        left = due_deletions(session, upload_id=attempt.upload_id, entry_number=entry.number)
        return SaveReceipt(entry.number, entry.file_name, row.outcome, tuple(left))

    identity = find_or_create_image(session, attempt.gallery_id, entry.file_name)
    if is_given_up(session, library_bucket, entry, image):
        raise ResultGone(f"{entry.file_name}: the renditions of its cached result are due for deletion, or deleted")
    current = current_version(session, identity)
    is_same = current is not None and current.sha256 == image.sha256
    outcome = judge(attempt, row, identity, current, image.recipe_id, is_same=is_same)
    is_new = outcome in ("saved", "replaced")
    if is_new:
        source = SavedSource(attempt.upload_id, entry.number, entry.etag, entry.size, original_key)
        gone = make_current(session, identity, current, source, image)
    else:
        # Never a key that a row refers to: a repeated attempt may find its own version to be the current one.
        mine = {original_key, *(rendition.key for rendition in image.renditions)}
        gone = sorted(mine - referred_to(session, mine))
    if outcome != "superseded":
        identity.last_seq = max(identity.last_seq, seq_of(row, attempt))

    due_in = keep_replaced if is_new else timedelta(0)
    superfluous = [(library_bucket, key, None) for key in gone]
    deletions = put_in_outbox(session, attempt.upload_id, entry.number, superfluous, due_in)
    if outcome == "replaced" and row.outcome not in KEPT_OUTCOMES:
        staged = [(uploads_bucket, entry.staged_key, entry.etag)]
        deletions += put_in_outbox(session, attempt.upload_id, entry.number, staged, timedelta(0))
    session.flush()
    bytes_out = entry.size + sum(rendition.bytes for rendition in image.renditions) if is_new else 0
    timing = timing or Timing(processed=image)
    write_outcomes(session, attempt, [Settlement(entry.number, outcome, identity.image_id, timing, bytes_out)])
    return SaveReceipt(entry.number, entry.file_name, outcome, tuple(deletions))


def is_given_up(session: Session, library_bucket: str, entry: Entry, image: ProcessedImage) -> bool:
    """Whether a result that was made under an earlier claim names files that are due for deletion, or deleted.

    Under the lock of its image, the answer holds: a save that gives them up takes the same lock.
    """
    keys = [rendition.key for rendition in image.renditions]
    made_under = {parsed.write_number for key in keys if (parsed := LibraryKey.parse(key)) is not None}
    return made_under != {entry.write_number} and was_in_outbox(session, library_bucket, keys)
