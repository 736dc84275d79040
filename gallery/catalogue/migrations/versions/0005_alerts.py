"""Alerts to ops, and what is watched for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_uploads_under_way",
        "uploads",
        ["flow_run_id"],
        schema="gallery",
        postgresql_where="state IN ('accepted', 'running')",
    )
    op.create_index(
        "ix_uploads_crashed", "uploads", ["finished_at"], schema="gallery", postgresql_where="state = 'crashed'"
    )
    op.alter_column("callbacks", "upload_id", nullable=True, schema="gallery")
    op.add_column(
        "callbacks", sa.Column("audience", sa.Text(), server_default="application", nullable=False), schema="gallery"
    )
    op.create_check_constraint(
        op.f("ck_callbacks_audience"), "callbacks", "audience IN ('application', 'ops')", schema="gallery"
    )
    op.drop_index("ix_callbacks_due", "callbacks", schema="gallery")
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["audience", "due_at"],
        schema="gallery",
        postgresql_where="sent_at IS NULL AND given_up_at IS NULL",
    )
    op.create_table(
        "conditions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_well", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_conditions")),
        schema="gallery",
    )


def downgrade() -> None:
    op.drop_table("conditions", schema="gallery")
    op.execute("DELETE FROM gallery.callbacks WHERE audience <> 'application'")
    op.drop_index("ix_callbacks_due", "callbacks", schema="gallery")
    op.drop_constraint(op.f("ck_callbacks_audience"), "callbacks", schema="gallery", type_="check")
    op.drop_column("callbacks", "audience", schema="gallery")
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["due_at"],
        schema="gallery",
        postgresql_where="sent_at IS NULL AND given_up_at IS NULL",
    )
    op.alter_column("callbacks", "upload_id", nullable=False, schema="gallery")
    op.drop_index("ix_uploads_crashed", "uploads", schema="gallery")
    op.drop_index("ix_uploads_under_way", "uploads", schema="gallery")
