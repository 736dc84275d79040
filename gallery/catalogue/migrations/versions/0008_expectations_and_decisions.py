"""What a caller expects an entry to meet in the gallery, what was decided where it met something else, and the files
of a version that is given up later.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "expect": sa.Text(),
    "conflict_sha256": sa.String(length=64),
    "decision": sa.Text(),
    "decided_seq": sa.BigInteger(),
    "sent_as": sa.Text(),
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("entries", sa.Column(name, kind, nullable=True), schema="gallery")


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("entries", name, schema="gallery")
