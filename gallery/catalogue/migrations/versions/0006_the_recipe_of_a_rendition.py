"""Each rendition says which recipe made it; until now only its key did, in eight digits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# See `gallery.catalogue.migrate.views_digest`.
VIEWS = "3c992444ea8b8763fa30fac90c4c882f47e90d9808358ea501184b564f4a191b"


def upgrade() -> None:
    op.add_column("renditions", sa.Column("recipe_id", sa.String(length=64), nullable=True), schema="gallery")
    # The version's own recipe where the digits agree; a rebuild of one style left renditions of several.
    op.execute(
        """
        UPDATE gallery.renditions r
        SET recipe_id = CASE
            WHEN r.key LIKE '%-' || left(v.recipe_id, 8) || '.%' THEN v.recipe_id
            ELSE substring(r.key FROM '-([0-9a-f]{8})[.][a-z0-9]+$')
        END
        FROM gallery.versions v
        WHERE v.version_id = r.version_id
        """
    )


def downgrade() -> None:
    op.drop_column("renditions", "recipe_id", schema="gallery")
