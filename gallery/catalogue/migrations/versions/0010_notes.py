"""The notes of an entry: what was done for an image that is saved, and that a person should know."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# See `gallery.catalogue.migrate.views_digest`.
VIEWS = "a84d8377736ef931095d60e51063bde4097024c665705795a406a9cfca9639fd"

TABLES = ("entries", "entry_attempts")


def upgrade() -> None:
    for table in TABLES:
        notes: sa.Column[list[str]] = sa.Column("notes", ARRAY(sa.Text()), nullable=False, server_default="{}")
        op.add_column(table, notes, schema="gallery")


def downgrade() -> None:
    # The former release makes its own.
    op.execute("DROP VIEW IF EXISTS analytics.image_history CASCADE")
    for table in TABLES:
        op.drop_column(table, "notes", schema="gallery")
