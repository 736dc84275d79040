"""Each rendition says which recipe made it; until now only its key did, in eight digits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Versions whose renditions get their recipe in one transaction.
BATCH = 2_000
# The version's own recipe where the digits agree; a rebuild of one style left renditions of several.
NAME_RECIPES = """
WITH batch AS (
    SELECT version_id, recipe_id FROM gallery.versions
    WHERE CAST(:after AS uuid) IS NULL OR version_id > CAST(:after AS uuid)
    ORDER BY version_id LIMIT :batch
), named AS (
    UPDATE gallery.renditions r
    SET recipe_id = CASE
        WHEN r.key LIKE '%-' || left(batch.recipe_id, 8) || '.%' THEN batch.recipe_id
        ELSE substring(r.key FROM '-([0-9a-f]{8})[.][a-z0-9]+$')
    END
    FROM batch
    WHERE r.version_id = batch.version_id AND r.recipe_id IS NULL
)
SELECT version_id FROM batch ORDER BY version_id DESC LIMIT 1
"""


def upgrade() -> None:
    op.add_column("renditions", sa.Column("recipe_id", sa.String(length=64), nullable=True), schema="gallery")


def afterwards(engine: sa.Engine) -> None:
    """Name the recipe of each rendition that is there, in batches: neither API nor workers wait for it."""
    after = None
    while True:
        with engine.begin() as connection:
            after = connection.scalar(sa.text(NAME_RECIPES), {"after": after, "batch": BATCH})
        if after is None:
            return


def downgrade() -> None:
    op.drop_column("renditions", "recipe_id", schema="gallery")
