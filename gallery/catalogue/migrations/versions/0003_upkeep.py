"""Upkeep: the history of rebuilds and sweeps, and what a sweep asks the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maintenance_runs",
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("flow_name", sa.Text(), nullable=False),
        sa.Column("gallery_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", "attempt", name=op.f("pk_maintenance_runs")),
        schema="gallery",
    )
    op.create_index(
        "ix_outbox_awaiting", "outbox", ["key"], unique=False, schema="gallery", postgresql_where="done_at IS NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_awaiting", "outbox", schema="gallery")
    op.drop_table("maintenance_runs", schema="gallery")
