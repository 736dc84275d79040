"""The save's one transaction: a version becomes current, or does not, and both leave nothing unaccounted for."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gallery.catalogue.outbox import due_deletions, put_in_outbox
from gallery.catalogue.outcomes import Settlement, write_outcomes
from gallery.catalogue.references import referred_to
from gallery.catalogue.tables import EntryRow, ImageRow, RenditionRow, UploadRow, VersionRow
from gallery.errors import StaleAttempt
from gallery.models import Attempt, Entry, Outcome, ProcessedImage, SaveReceipt
from gallery.timings import Effort


def commit_version(
    session: Session,
    attempt: Attempt,
    entry: Entry,
    image: ProcessedImage,
    *,
    original_key: str,
    uploads_bucket: str,
    library_bucket: str,
    keep_replaced: timedelta = timedelta(0),
    effort: Effort | None = None,
) -> SaveReceipt:
    """Give `entry` its outcome under its image's row lock, and list what that makes superfluous.

    `saved` or `replaced` makes the new version current; `unchanged` and `superseded`, found only now, give up the
    entry's own new objects. Called again after a commit whose answer was lost, it returns the same receipt.
    Raises `StaleAttempt` where a newer attempt has begun: nothing is written then.
    """
    row = _lock_entry(session, attempt, entry)
    if _settled_before(row, attempt):
        left = due_deletions(session, upload_id=attempt.upload_id, entry_number=entry.number)
        return SaveReceipt(entry.number, entry.file_name, cast(Outcome, row.outcome), tuple(left))

    identity = _lock_image(session, attempt, entry)
    current = _current(session, identity)
    outcome = _judge(attempt, image, identity, current)
    superfluous: list[tuple[str, str, str | None]] = []
    due_in = timedelta(0)
    is_new = outcome in ("saved", "replaced")
    if is_new:
        former = _keys(session, current)
        version = _insert_version(session, attempt, entry, image, identity, original_key)
        if current is not None:
            current.superseded_at = func.now()
            # A forced repeat of the very same upload writes the same keys again: those stay.
            gone = former - {original_key, *(rendition.key for rendition in image.renditions)}
            superfluous = [(library_bucket, key, None) for key in sorted(gone)]
            due_in = keep_replaced
        identity.current_version_id = version.version_id
    else:
        # Never a key that a row refers to: a repeated attempt may find its own version to be the current one.
        mine = {original_key, *(rendition.key for rendition in image.renditions)}
        superfluous = [(library_bucket, key, None) for key in sorted(mine - referred_to(session, mine))]
    if outcome != "superseded":
        identity.last_seq = attempt.accepted_seq

    deletions = put_in_outbox(session, attempt.upload_id, entry.number, superfluous, due_in)
    if outcome == "replaced":
        staged: list[tuple[str, str, str | None]] = [(uploads_bucket, entry.staged_key, entry.etag)]
        deletions += put_in_outbox(session, attempt.upload_id, entry.number, staged, timedelta(0))
    session.flush()
    bytes_out = entry.size + sum(rendition.bytes for rendition in image.renditions) if is_new else 0
    effort = effort or Effort(processed=image)
    write_outcomes(session, attempt, [Settlement(entry.number, outcome, identity.image_id, effort, bytes_out)])
    return SaveReceipt(entry.number, entry.file_name, outcome, tuple(deletions))


def _lock_entry(session: Session, attempt: Attempt, entry: Entry) -> EntryRow:
    found = session.execute(
        select(UploadRow.attempt, EntryRow)
        .join(EntryRow, EntryRow.upload_id == UploadRow.upload_id)
        .where(UploadRow.upload_id == attempt.upload_id, EntryRow.number == entry.number)
        # Shared on the upload, see `attempts.hold`: saves of one attempt run side by side.
        .with_for_update(read=True, of=UploadRow)
    ).one()
    newest: int = found[0]
    row: EntryRow = found[1]
    if newest != attempt.number:
        raise StaleAttempt(attempt.upload_id, attempt.number)
    return row


def _settled_before(row: EntryRow, attempt: Attempt) -> bool:
    if row.outcome in (None, "failed", "rejected"):
        return False
    return attempt.stands(row.attempt)


def _lock_image(session: Session, attempt: Attempt, entry: Entry) -> ImageRow:
    # An update that changes nothing locks the row and returns it: find, create and lock in one round trip.
    statement = upsert(ImageRow).values(gallery_id=attempt.gallery_id, file_name=entry.file_name)
    statement = statement.on_conflict_do_update(
        index_elements=[ImageRow.gallery_id, ImageRow.file_name],
        set_={"file_name": statement.excluded.file_name},
    )
    return session.scalars(statement.returning(ImageRow), execution_options={"populate_existing": True}).one()


def _current(session: Session, identity: ImageRow) -> VersionRow | None:
    if identity.current_version_id is None:
        return None
    return session.get(VersionRow, identity.current_version_id)


def _judge(attempt: Attempt, image: ProcessedImage, identity: ImageRow, current: VersionRow | None) -> Outcome:
    if identity.last_seq > attempt.accepted_seq:
        return "superseded"
    if current is None:
        return "saved"
    same = (current.sha256, current.recipe_id) == (image.sha256, image.recipe_id)
    return "unchanged" if same and not attempt.force else "replaced"


def _insert_version(
    session: Session,
    attempt: Attempt,
    entry: Entry,
    image: ProcessedImage,
    identity: ImageRow,
    original_key: str,
) -> VersionRow:
    version = VersionRow(
        image_id=identity.image_id,
        upload_id=attempt.upload_id,
        entry_number=entry.number,
        sha256=image.sha256,
        etag=entry.etag,
        size=entry.size,
        recipe_id=image.recipe_id,
        original_key=original_key,
        source_format=image.source_format,
        width=image.width,
        height=image.height,
        meta=dict(image.metadata),
    )
    session.add(version)
    session.flush()
    session.execute(
        insert(RenditionRow),
        [
            {"version_id": version.version_id, **rendition.model_dump(exclude={"etag"})}
            for rendition in image.renditions
        ],
    )
    return version


def _keys(session: Session, version: VersionRow | None) -> set[str]:
    if version is None:
        return set()
    keys = session.scalars(select(RenditionRow.key).where(RenditionRow.version_id == version.version_id))
    return {version.original_key, *keys}
