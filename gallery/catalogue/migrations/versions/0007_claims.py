"""Which process works on which entry, the numbers in the keys of what it writes, and attempts that could not plan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("write_numbers", schema="gallery")))
    op.add_column("entries", sa.Column("todo_attempt", sa.Integer(), nullable=True), schema="gallery")
    op.add_column("entries", sa.Column("claimed_by", sa.Uuid(), nullable=True), schema="gallery")
    op.add_column("entries", sa.Column("write_number", sa.BigInteger(), nullable=True), schema="gallery")
    op.add_column("entries", sa.Column("library_key", sa.Text(), nullable=True), schema="gallery")
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["gallery.uploads.upload_id"], name=op.f("fk_owners_upload_id")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owners")),
        schema="gallery",
    )
    op.create_index("ix_owners_upload_id", "owners", ["upload_id"], schema="gallery")
    op.add_column("uploads", sa.Column("former_state", sa.Text(), nullable=True), schema="gallery")
    op.add_column("uploads", sa.Column("restart_after", sa.DateTime(timezone=True), nullable=True), schema="gallery")
    op.add_column("uploads", sa.Column("unplanned", sa.Integer(), server_default="0", nullable=False), schema="gallery")
    op.add_column("uploads", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True), schema="gallery")
    op.create_index(
        "ix_uploads_restart",
        "uploads",
        ["restart_after"],
        schema="gallery",
        postgresql_where="restart_after IS NOT NULL",
    )
    _index_due_starts("state IN ('accepted', 'cancelled') AND flow_run_id IS NULL")
    op.add_column("attempts", sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True), schema="gallery")
    op.drop_index("ix_uploads_crashed", "uploads", schema="gallery")
    op.create_index(
        "ix_attempts_crashed", "attempts", ["finished_at"], schema="gallery", postgresql_where="state = 'crashed'"
    )
    # Also of what is done: a cached result must not be taken up once its files are gone.
    op.drop_index("ix_outbox_awaiting", "outbox", schema="gallery")
    op.create_index("ix_outbox_key", "outbox", ["key"], schema="gallery")


def downgrade() -> None:
    op.drop_index("ix_outbox_key", "outbox", schema="gallery")
    op.create_index("ix_outbox_awaiting", "outbox", ["key"], schema="gallery", postgresql_where="done_at IS NULL")
    op.drop_index("ix_attempts_crashed", "attempts", schema="gallery")
    op.create_index(
        "ix_uploads_crashed", "uploads", ["finished_at"], schema="gallery", postgresql_where="state = 'crashed'"
    )
    op.drop_column("attempts", "planned_at", schema="gallery")
    _index_due_starts("state = 'accepted' AND flow_run_id IS NULL")
    op.drop_index("ix_uploads_restart", "uploads", schema="gallery")
    for name in ("paused_at", "unplanned", "restart_after", "former_state"):
        op.drop_column("uploads", name, schema="gallery")
    op.drop_table("owners", schema="gallery")
    for name in ("library_key", "write_number", "claimed_by", "todo_attempt"):
        op.drop_column("entries", name, schema="gallery")
    op.execute(sa.schema.DropSequence(sa.Sequence("write_numbers", schema="gallery")))


def _index_due_starts(where: str) -> None:
    op.drop_index("ix_uploads_due_start", "uploads", schema="gallery")
    op.create_index("ix_uploads_due_start", "uploads", ["start_after"], schema="gallery", postgresql_where=where)
