"""Why storage refuses to delete an object."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("refusal", sa.Text(), nullable=True), schema="gallery")


def downgrade() -> None:
    op.drop_column("outbox", "refusal", schema="gallery")
