"""Uploads through the API: arrivals of files, checks of open uploads, requested deletions, callbacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.text("now()")
    op.add_column(
        "uploads",
        sa.Column("check_after", sa.DateTime(timezone=True), server_default=now, nullable=False),
        schema="gallery",
    )
    op.create_index(
        "ix_uploads_open_check", "uploads", ["check_after"], schema="gallery", postgresql_where="state = 'open'"
    )
    op.add_column("entries", sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True), schema="gallery")
    op.add_column("outbox", sa.Column("requested_by", sa.Text(), nullable=True), schema="gallery")
    op.add_column("outbox", sa.Column("tries", sa.Integer(), server_default="0", nullable=False), schema="gallery")
    op.create_index(
        "ix_outbox_requested",
        "outbox",
        ["due_at"],
        schema="gallery",
        postgresql_where="done_at IS NULL AND requested_by IS NOT NULL",
    )
    op.create_table(
        "callbacks",
        sa.Column("callback_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["upload_id"], ["gallery.uploads.upload_id"], name=op.f("fk_callbacks_upload_id")),
        sa.PrimaryKeyConstraint("callback_id", name=op.f("pk_callbacks")),
        schema="gallery",
    )
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["due_at"],
        schema="gallery",
        postgresql_where="sent_at IS NULL AND given_up_at IS NULL",
    )
    op.create_index("ix_callbacks_upload_id", "callbacks", ["upload_id"], schema="gallery")


def downgrade() -> None:
    op.drop_table("callbacks", schema="gallery")
    op.drop_index("ix_outbox_requested", "outbox", schema="gallery")
    op.drop_column("outbox", "tries", schema="gallery")
    op.drop_column("outbox", "requested_by", schema="gallery")
    op.drop_column("entries", "arrived_at", schema="gallery")
    op.drop_index("ix_uploads_open_check", "uploads", schema="gallery")
    op.drop_column("uploads", "check_after", schema="gallery")
