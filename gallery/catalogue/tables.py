"""The catalogue's tables, all in the schema `gallery`; times are `timestamptz`, sizes bytes and pixels."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gallery.errors import Reason
from gallery.models import OUTCOMES, Audience, Choice, ObjectKey, Outcome, Stage, Trigger, UploadState

SCHEMA = "gallery"
# Named by rule, so that a migration can name what it alters.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
        int: BigInteger,
        str: Text,
        # Text, not an enumeration: a word that only a newer release knows must not make a row unreadable.
        Audience: Text,
        Choice: Text,
        Outcome: Text,
        Stage: Text,
        Trigger: Text,
        UploadState: Text,
        ObjectKey: Text,
    }


# Orders uploads by acceptance; a number is drawn once for an upload and kept through all its retries.
ACCEPTED_SEQ = Sequence("accepted_seq", metadata=Base.metadata)
# Part of the keys of what is written into the library; drawn for each claim of an entry, each rebuild of an image and
# each version that is restored.
WRITE_NUMBERS = Sequence("write_numbers", metadata=Base.metadata)


class Tally:
    """What came of entries: how many have each outcome, and their bytes. Written where an attempt ends."""

    saved: Mapped[int] = mapped_column(Integer, server_default="0")
    replaced: Mapped[int] = mapped_column(Integer, server_default="0")
    unchanged: Mapped[int] = mapped_column(Integer, server_default="0")
    superseded: Mapped[int] = mapped_column(Integer, server_default="0")
    rejected: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    bytes_in: Mapped[int] = mapped_column(server_default="0")
    bytes_out: Mapped[int] = mapped_column(server_default="0")


class GalleryRow(Base):
    """A photographer's set of images for one event."""

    __tablename__ = "galleries"

    gallery_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UploadRow(Tally, Base):
    """One batch of files for one gallery: what starts a flow run.

    `accepted_seq` is given once, at acceptance, and orders uploads for good. `attempt` is the newest attempt:
    whoever writes for an upload holds a share lock on this row and compares it. The tally is of the entries' final
    outcomes, as of the end of the newest attempt. `retry_requested_by`: who asked for the attempt to come.

    `former_state` is the state that the upload had ended in before it came under way again. An attempt that could not
    even plan is followed by another after `restart_after`; `unplanned` counts such attempts in a row, and runs that
    never began one. `paused_at`: since when the upload's run is known to be paused in Prefect, without a process.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        UniqueConstraint("accepted_seq"),
        UniqueConstraint("requested_by", "idempotency_key"),
        Index("ix_uploads_gallery_id_accepted_seq", "gallery_id", "accepted_seq"),
        # What the reconciler asks for, every few seconds.
        Index(
            "ix_uploads_due_start",
            "start_after",
            postgresql_where="state IN ('accepted', 'cancelled') AND flow_run_id IS NULL",
        ),
        Index("ix_uploads_open_check", "check_after", postgresql_where="state = 'open'"),
        # What the watch over runs asks for.
        Index("ix_uploads_under_way", "flow_run_id", postgresql_where="state IN ('accepted', 'running')"),
        Index("ix_uploads_restart", "restart_after", postgresql_where="restart_after IS NOT NULL"),
    )

    upload_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    gallery_id: Mapped[str] = mapped_column(ForeignKey("gallery.galleries.gallery_id"))
    state: Mapped[UploadState]
    trigger: Mapped[Trigger]
    requested_by: Mapped[str]
    idempotency_key: Mapped[str | None]
    request_fingerprint: Mapped[str | None]
    files_fingerprint: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}")
    image_count: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    # When an open upload's files are next looked for.
    check_after: Mapped[datetime] = mapped_column(server_default=func.now())
    accepted_seq: Mapped[int | None]
    accepted_at: Mapped[datetime | None]
    start_after: Mapped[datetime | None]
    start_tries: Mapped[int] = mapped_column(Integer, server_default="0")
    flow_run_id: Mapped[UUID | None]
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    retry_requested_at: Mapped[datetime | None]
    retry_requested_by: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    former_state: Mapped[UploadState | None]
    restart_after: Mapped[datetime | None]
    unplanned: Mapped[int] = mapped_column(Integer, server_default="0")
    paused_at: Mapped[datetime | None]


class EntryRow(Base):
    """One file of an upload. `etag` and `size` are what the newest plan pinned; `outcome` null is pending.
    `arrived_at` is set while the upload is open, by an S3 event or a listing.

    `attempt` is the attempt that wrote the outcome, `bytes_in` and `bytes_out` are its; `judged_by` names the limits
    and the processing version of a rejection, which stands for these only.

    `todo_attempt` is the attempt whose plan has it to do, until it has done it. `claimed_by` is the owner (`owners`)
    that does it, `write_number` what was drawn for that; `library_key` is what it reads where the staged file is gone.

    `expect` is what its sender expects under its name: `absent`, or the SHA-256 of the version that it may replace;
    `conflict_sha256` what it met instead. `decision` is what was decided then, `decided_seq` the place in the order of
    uploads that this gave the entry, and `sent_as` its name before "keep both" gave it another.
    """

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("upload_id", "file_name"),
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
    )

    upload_id: Mapped[str] = mapped_column(ForeignKey("gallery.uploads.upload_id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    file_name: Mapped[str]
    staged_key: Mapped[ObjectKey]
    declared_size: Mapped[int | None]
    content_type: Mapped[str | None]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}")
    arrived_at: Mapped[datetime | None]
    etag: Mapped[str | None]
    size: Mapped[int | None]
    outcome: Mapped[Outcome | None]
    stage: Mapped[Stage | None]
    reason: Mapped[Reason | None] = mapped_column(Text)
    message: Mapped[str | None]
    notes: Mapped[list[str]] = mapped_column(server_default="{}")
    judged_by: Mapped[str | None]
    attempt: Mapped[int | None] = mapped_column(Integer)
    image_id: Mapped[UUID | None] = mapped_column(ForeignKey("gallery.images.image_id"))
    bytes_in: Mapped[int] = mapped_column(server_default="0")
    bytes_out: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[datetime | None]
    todo_attempt: Mapped[int | None] = mapped_column(Integer)
    claimed_by: Mapped[UUID | None]
    write_number: Mapped[int | None]
    library_key: Mapped[ObjectKey | None]
    expect: Mapped[str | None]
    conflict_sha256: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[Choice | None]
    decided_seq: Mapped[int | None]
    sent_as: Mapped[str | None]


class OwnerRow(Base):
    """A process that works on an attempt, until one of them ends. What it has claimed is its own until `lease_until`,
    by the database's clock, which it moves on as long as it makes progress.

    `host` and `process_id` are noted to tell whether it is gone, on the machine where it ran.
    """

    __tablename__ = "owners"
    __table_args__ = (Index("ix_owners_upload_id", "upload_id"),)

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("gallery.uploads.upload_id"))
    attempt: Mapped[int] = mapped_column(Integer)
    flow_run_id: Mapped[UUID | None]
    host: Mapped[str]
    process_id: Mapped[int] = mapped_column(Integer)
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime]


class ImageRow(Base):
    """An identity, (gallery_id, file_name). `last_seq` is the newest accepted_seq that settled here."""

    __tablename__ = "images"
    __table_args__ = (UniqueConstraint("gallery_id", "file_name"),)

    image_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    gallery_id: Mapped[str] = mapped_column(ForeignKey("gallery.galleries.gallery_id"))
    file_name: Mapped[str]
    last_seq: Mapped[int] = mapped_column(server_default="0")
    current_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("gallery.versions.version_id", use_alter=True, deferrable=True, initially="DEFERRED")
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class VersionRow(Base):
    """One content of an image under one recipe; never changed, only superseded."""

    __tablename__ = "versions"
    __table_args__ = (
        ForeignKeyConstraint(["upload_id", "entry_number"], ["gallery.entries.upload_id", "gallery.entries.number"]),
        Index("ix_versions_image_id", "image_id"),
        Index("ix_versions_upload_id_entry_number", "upload_id", "entry_number"),
        Index("ix_versions_original_key", "original_key"),
    )

    version_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    image_id: Mapped[UUID] = mapped_column(ForeignKey("gallery.images.image_id"))
    upload_id: Mapped[str]
    entry_number: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    etag: Mapped[str]
    size: Mapped[int]
    recipe_id: Mapped[str] = mapped_column(String(64))
    original_key: Mapped[ObjectKey]
    source_format: Mapped[str]
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    superseded_at: Mapped[datetime | None]


class RenditionRow(Base):
    """The file that one style made of one version, in the library bucket.

    `recipe_id` is the recipe that made it; see `outdated.names_of_recipe` for those of release 0.1.0. A worker of
    that release writes null.
    """

    __tablename__ = "renditions"
    __table_args__ = (Index("ix_renditions_key", "key"),)

    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("gallery.versions.version_id", ondelete="CASCADE"), primary_key=True
    )
    style: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[ObjectKey]
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int]
    content_type: Mapped[str]
    recipe_id: Mapped[str | None] = mapped_column(String(64))


class OutboxRow(Base):
    """An object to delete, written in the transaction that made it superfluous, done once it is gone.

    `etag` set: delete only while the object still has it. `due_at`: not before. `requested_by` names who deleted
    the image through the API, which does these itself; the others are the business of the run that made them.
    `refusal`: the store's code, where it would not delete the object when it was last asked.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "due_at", postgresql_where="done_at IS NULL"),
        # What the sweep asks for, a page of keys at a time, and a save that takes up a cached result.
        Index("ix_outbox_key", "key"),
        Index("ix_outbox_requested", "due_at", postgresql_where="done_at IS NULL AND requested_by IS NOT NULL"),
        Index("ix_outbox_upload_id_entry_number", "upload_id", "entry_number"),
    )

    outbox_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    bucket: Mapped[str]
    key: Mapped[ObjectKey]
    etag: Mapped[str | None]
    upload_id: Mapped[str]
    entry_number: Mapped[int] = mapped_column(Integer)
    requested_by: Mapped[str | None]
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    refusal: Mapped[str | None]


class AttemptRow(Tally, Base):
    """One execution of an upload's flow run, kept for good. The tally is of what this attempt did.

    `trigger`, `requested_by` and `requested_at` are of this attempt; who presses a button in Prefect stays unknown.
    `planned_at` is null while, or where, it could not find out what there is to do.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_started_at", "started_at"),
        # What the watch over runs asks for.
        Index("ix_attempts_crashed", "finished_at", postgresql_where="state = 'crashed'"),
    )

    upload_id: Mapped[str] = mapped_column(ForeignKey("gallery.uploads.upload_id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    flow_run_id: Mapped[UUID | None]
    state: Mapped[UploadState]
    trigger: Mapped[Trigger]
    requested_by: Mapped[str | None]
    requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    planned_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    message: Mapped[str | None]


class EntryAttemptRow(Base):
    """What one attempt did with one entry, written in the transaction that wrote the outcome; for analysts.

    No foreign keys: it is the history of what it speaks of, and checks would cost each save. The file's name is here,
    too: a join with all entries takes longer than a second at millions of rows. `day` is the UTC day.
    """

    __tablename__ = "entry_attempts"
    __table_args__ = (
        Index("ix_entry_attempts_day", "day"),
        Index("ix_entry_attempts_gallery_id_day", "gallery_id", "day"),
        Index("ix_entry_attempts_reasons", "day", "stage", "reason", postgresql_where="reason IS NOT NULL"),
    )

    upload_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    gallery_id: Mapped[str] = mapped_column(String(63))
    file_name: Mapped[str]
    image_id: Mapped[UUID | None]
    outcome: Mapped[Outcome]
    stage: Mapped[Stage | None]
    reason: Mapped[Reason | None] = mapped_column(Text)
    message: Mapped[str | None]
    download_seconds: Mapped[float | None]
    process_seconds: Mapped[float | None]
    save_seconds: Mapped[float | None]
    cleanup_seconds: Mapped[float | None]
    retries: Mapped[int] = mapped_column(Integer, server_default="0")
    process_cached: Mapped[bool | None]
    bytes_in: Mapped[int] = mapped_column(server_default="0")
    bytes_out: Mapped[int] = mapped_column(server_default="0")
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    source_format: Mapped[str | None]
    camera: Mapped[str | None]
    notes: Mapped[list[str]] = mapped_column(server_default="{}")
    finished_at: Mapped[datetime] = mapped_column(server_default=func.now())
    day: Mapped[date] = mapped_column(Computed("CAST(finished_at AT TIME ZONE 'UTC' AS date)", persisted=True))


class EntryDayRow(Base):
    """A closed day's `entry_attempts`, summed up by gallery, camera and how it went; outlives them.

    `images` are entries worked on, once for each attempt; a null in a key column is the group without that value.
    """

    __tablename__ = "entry_days"
    __table_args__ = (
        Index("ix_entry_days_day", "day"),
        Index("ix_entry_days_reasons", "day", "stage", "reason", postgresql_where="reason IS NOT NULL"),
    )

    entry_day_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    day: Mapped[date]
    gallery_id: Mapped[str] = mapped_column(String(63))
    camera: Mapped[str | None]
    outcome: Mapped[Outcome]
    stage: Mapped[Stage | None]
    reason: Mapped[Reason | None] = mapped_column(Text)
    images: Mapped[int]
    retries: Mapped[int]
    process_cached: Mapped[int]
    download_seconds: Mapped[float]
    process_seconds: Mapped[float]
    save_seconds: Mapped[float]
    cleanup_seconds: Mapped[float]
    bytes_in: Mapped[int]
    bytes_out: Mapped[int]


class StageDayRow(Base):
    """A closed day's seconds by stage: percentiles cannot be summed later, so they are kept. Outlives its rows."""

    __tablename__ = "stage_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    stage: Mapped[Stage] = mapped_column(primary_key=True)
    images: Mapped[int]
    p50: Mapped[float]
    p95: Mapped[float]
    p99: Mapped[float]
    total_seconds: Mapped[float]


class MaintenanceRow(Base):
    """One attempt of a flow run that looks after what is there (rebuild, sweep), kept for the run history."""

    __tablename__ = "maintenance_runs"

    flow_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    flow_name: Mapped[str]
    gallery_id: Mapped[str | None]
    state: Mapped[UploadState]
    requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    message: Mapped[str | None]
    counts: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class CallbackRow(Base):
    """A message to the application, or an alert to `ops`, written in the transaction that it tells of; sent until it
    is taken.

    `callback_id` is the message's `webhook-id`, the same each time it is sent. `body` is the upload as it was then;
    an alert about something else has no upload.
    """

    __tablename__ = "callbacks"
    __table_args__ = (
        CheckConstraint("audience IN ('application', 'ops')", name="audience"),
        Index("ix_callbacks_due", "audience", "due_at", postgresql_where="sent_at IS NULL AND given_up_at IS NULL"),
        Index("ix_callbacks_upload_id", "upload_id"),
    )

    callback_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    upload_id: Mapped[str | None] = mapped_column(ForeignKey("gallery.uploads.upload_id"))
    audience: Mapped[Audience] = mapped_column(server_default="application")
    type: Mapped[str]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


class ConditionRow(Base):
    """Something that is well or not, as whoever watched it last has found; alerts tell of its changes."""

    __tablename__ = "conditions"

    name: Mapped[str] = mapped_column(primary_key=True)
    is_well: Mapped[bool]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
