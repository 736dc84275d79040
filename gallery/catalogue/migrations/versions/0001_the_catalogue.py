"""The catalogue: galleries, uploads, entries, images, versions, renditions, outbox, attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("accepted_seq", schema="gallery")))
    op.create_table(
        "galleries",
        sa.Column("gallery_id", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("gallery_id", name=op.f("pk_galleries")),
        schema="gallery",
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("entry_number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        schema="gallery",
    )
    op.create_index(
        "ix_outbox_due", "outbox", ["due_at"], unique=False, schema="gallery", postgresql_where="done_at IS NULL"
    )
    op.create_index(
        "ix_outbox_upload_id_entry_number", "outbox", ["upload_id", "entry_number"], unique=False, schema="gallery"
    )
    op.create_table(
        "images",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("gallery_id", sa.String(length=63), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("current_version_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["gallery_id"], ["gallery.galleries.gallery_id"], name=op.f("fk_images_gallery_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_images")),
        sa.UniqueConstraint("gallery_id", "file_name", name=op.f("uq_images_gallery_id_file_name")),
        schema="gallery",
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("gallery_id", sa.String(length=63), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_fingerprint", sa.Text(), nullable=True),
        sa.Column("files_fingerprint", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_seq", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["gallery_id"], ["gallery.galleries.gallery_id"], name=op.f("fk_uploads_gallery_id")),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("accepted_seq", name=op.f("uq_uploads_accepted_seq")),
        sa.UniqueConstraint("requested_by", "idempotency_key", name=op.f("uq_uploads_requested_by_idempotency_key")),
        schema="gallery",
    )
    op.create_index(
        "ix_uploads_due_start",
        "uploads",
        ["start_after"],
        unique=False,
        schema="gallery",
        postgresql_where="state = 'accepted' AND flow_run_id IS NULL",
    )
    op.create_index(
        "ix_uploads_gallery_id_accepted_seq", "uploads", ["gallery_id", "accepted_seq"], unique=False, schema="gallery"
    )
    op.create_table(
        "attempts",
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["upload_id"], ["gallery.uploads.upload_id"], name=op.f("fk_attempts_upload_id")),
        sa.PrimaryKeyConstraint("upload_id", "attempt", name=op.f("pk_attempts")),
        schema="gallery",
    )
    op.create_table(
        "entries",
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("staged_key", sa.Text(), nullable=False),
        sa.Column("declared_size", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("judged_by", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("image_id", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('saved', 'replaced', 'unchanged', 'superseded', 'rejected', 'failed')",
            name=op.f("ck_entries_outcome"),
        ),
        sa.ForeignKeyConstraint(["image_id"], ["gallery.images.image_id"], name=op.f("fk_entries_image_id")),
        sa.ForeignKeyConstraint(["upload_id"], ["gallery.uploads.upload_id"], name=op.f("fk_entries_upload_id")),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_entries")),
        sa.UniqueConstraint("upload_id", "file_name", name=op.f("uq_entries_upload_id_file_name")),
        schema="gallery",
    )
    op.create_table(
        "versions",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("entry_number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("recipe_id", sa.String(length=64), nullable=False),
        sa.Column("original_key", sa.Text(), nullable=False),
        sa.Column("source_format", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["gallery.images.image_id"], name=op.f("fk_versions_image_id")),
        sa.ForeignKeyConstraint(
            ["upload_id", "entry_number"],
            ["gallery.entries.upload_id", "gallery.entries.number"],
            name=op.f("fk_versions_upload_id_entry_number"),
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_versions")),
        schema="gallery",
    )
    op.create_index("ix_versions_image_id", "versions", ["image_id"], unique=False, schema="gallery")
    op.create_index("ix_versions_original_key", "versions", ["original_key"], unique=False, schema="gallery")
    op.create_index(
        "ix_versions_upload_id_entry_number", "versions", ["upload_id", "entry_number"], unique=False, schema="gallery"
    )
    op.create_table(
        "renditions",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("style", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["gallery.versions.version_id"], name=op.f("fk_renditions_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "style", name=op.f("pk_renditions")),
        schema="gallery",
    )
    op.create_index("ix_renditions_key", "renditions", ["key"], unique=False, schema="gallery")
    # Images and versions refer to each other, so this one comes last.
    op.create_foreign_key(
        op.f("fk_images_current_version_id"),
        "images",
        "versions",
        ["current_version_id"],
        ["version_id"],
        source_schema="gallery",
        referent_schema="gallery",
        deferrable=True,
        initially="DEFERRED",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_images_current_version_id"), "images", schema="gallery")
    for table in ("renditions", "versions", "entries", "attempts", "uploads", "images", "outbox", "galleries"):
        op.drop_table(table, schema="gallery")
    op.execute(sa.schema.DropSequence(sa.Sequence("accepted_seq", schema="gallery")))
