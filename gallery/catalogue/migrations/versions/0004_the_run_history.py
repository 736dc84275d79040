"""The run history: a row per entry and attempt, tallies, summaries of closed days, and the schema `analytics`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# See `gallery.catalogue.migrate.views_digest`.
VIEWS = "bd31aa8985ae0d67d5253d698999f70f774797d82cbd8adad5c80c8677adde5e"

OUTCOMES = ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")


def upgrade() -> None:
    _add_columns()
    _create_tables()
    _take_over_what_is_known()
    # Its views are made once all tables are as they should be, by `gallery.catalogue.migrate`.
    op.execute("CREATE SCHEMA analytics")
    op.execute(
        "COMMENT ON SCHEMA analytics IS 'The run history, for analysts. Times are UTC instants (timestamptz), "
        "sizes bytes and pixels, durations seconds.'"
    )


def _add_columns() -> None:
    def count(name: str, kind: type[sa.types.TypeEngine[int]] = sa.Integer) -> sa.Column[int]:
        return sa.Column(name, kind(), server_default="0", nullable=False)

    for table in ("uploads", "attempts"):
        for outcome in OUTCOMES:
            op.add_column(table, count(outcome), schema="gallery")
    for table in ("uploads", "attempts", "entries"):
        for name in ("bytes_in", "bytes_out"):
            op.add_column(table, count(name, sa.BigInteger), schema="gallery")
    op.add_column("uploads", sa.Column("retry_requested_at", sa.DateTime(timezone=True)), schema="gallery")
    op.add_column("uploads", sa.Column("retry_requested_by", sa.Text()), schema="gallery")
    op.add_column("attempts", sa.Column("trigger", sa.Text(), server_default="ui", nullable=False), schema="gallery")
    op.alter_column("attempts", "trigger", server_default=None, schema="gallery")
    op.add_column("attempts", sa.Column("requested_by", sa.Text()), schema="gallery")
    op.add_column("attempts", sa.Column("requested_at", sa.DateTime(timezone=True)), schema="gallery")
    op.create_index("ix_attempts_started_at", "attempts", ["started_at"], schema="gallery")


def _create_tables() -> None:
    def text(name: str, *, nullable: bool = True) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=nullable)

    op.create_table(
        "entry_attempts",
        sa.Column("upload_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("gallery_id", sa.String(length=63), nullable=False),
        text("file_name", nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=True),
        text("outcome", nullable=False),
        *(text(name) for name in ("stage", "reason", "message")),
        *(sa.Column(f"{name}_seconds", sa.Float()) for name in ("download", "process", "save", "cleanup")),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("process_cached", sa.Boolean(), nullable=True),
        sa.Column("bytes_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        text("source_format"),
        text("camera"),
        sa.Column("finished_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "day",
            sa.Date(),
            sa.Computed("CAST(finished_at AT TIME ZONE 'UTC' AS date)", persisted=True),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", "attempt", name=op.f("pk_entry_attempts")),
        schema="gallery",
    )
    op.create_index("ix_entry_attempts_day", "entry_attempts", ["day"], schema="gallery")
    op.create_index("ix_entry_attempts_gallery_id_day", "entry_attempts", ["gallery_id", "day"], schema="gallery")
    op.create_table(
        "entry_days",
        sa.Column("entry_day_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("gallery_id", sa.String(length=63), nullable=False),
        text("camera"),
        text("outcome", nullable=False),
        text("stage"),
        text("reason"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("images", "retries", "process_cached")),
        *(
            sa.Column(f"{name}_seconds", sa.Float(), nullable=False)
            for name in ("download", "process", "save", "cleanup")
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("bytes_in", "bytes_out")),
        sa.PrimaryKeyConstraint("entry_day_id", name=op.f("pk_entry_days")),
        schema="gallery",
    )
    op.create_index("ix_entry_days_day", "entry_days", ["day"], schema="gallery")
    for table in ("entry_attempts", "entry_days"):
        op.create_index(
            f"ix_{table}_reasons",
            table,
            ["day", "stage", "reason"],
            schema="gallery",
            postgresql_where="reason IS NOT NULL",
        )
    op.create_table(
        "stage_days",
        sa.Column("day", sa.Date(), nullable=False),
        text("stage", nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("p50", "p95", "p99", "total_seconds")),
        sa.PrimaryKeyConstraint("day", "stage", name=op.f("pk_stage_days")),
        schema="gallery",
    )


def _take_over_what_is_known() -> None:
    """Outcomes from before: without seconds, retries and bytes, which nobody has recorded."""
    op.execute(
        "UPDATE gallery.attempts a SET trigger = u.trigger, requested_by = u.requested_by, requested_at = u.accepted_at"
        " FROM gallery.uploads u WHERE u.upload_id = a.upload_id AND a.attempt = 1"
    )
    op.execute(
        "INSERT INTO gallery.entry_attempts (upload_id, number, attempt, gallery_id, file_name, image_id, outcome,"
        " stage, reason, message, finished_at)"
        " SELECT e.upload_id, e.number, e.attempt, u.gallery_id, e.file_name, e.image_id, e.outcome, e.stage,"
        " e.reason, e.message, coalesce(e.finished_at, u.created_at)"
        " FROM gallery.entries e JOIN gallery.uploads u USING (upload_id)"
        " WHERE e.outcome IS NOT NULL AND e.attempt IS NOT NULL"
    )
    counts = ", ".join(f"count(*) FILTER (WHERE outcome = '{outcome}') AS {outcome}" for outcome in OUTCOMES)
    sets = ", ".join(f"{outcome} = tally.{outcome}" for outcome in OUTCOMES)
    for table, key in (("uploads", "upload_id"), ("attempts", "upload_id, attempt")):
        match = " AND ".join(f"tally.{name} = t.{name}" for name in key.split(", "))
        op.execute(
            f"UPDATE gallery.{table} t SET {sets}"  # noqa: S608 - names of this file
            f" FROM (SELECT {key}, {counts} FROM gallery.entry_attempts GROUP BY {key}) tally WHERE {match}"
        )


def downgrade() -> None:
    op.execute("DROP SCHEMA analytics CASCADE")
    for table in ("stage_days", "entry_days", "entry_attempts"):
        op.drop_table(table, schema="gallery")
    op.drop_index("ix_attempts_started_at", "attempts", schema="gallery")
    for name in ("requested_at", "requested_by", "trigger"):
        op.drop_column("attempts", name, schema="gallery")
    for name in ("retry_requested_by", "retry_requested_at"):
        op.drop_column("uploads", name, schema="gallery")
    for table in ("uploads", "attempts", "entries"):
        for name in ("bytes_in", "bytes_out"):
            op.drop_column(table, name, schema="gallery")
    for table in ("uploads", "attempts"):
        for outcome in OUTCOMES:
            op.drop_column(table, outcome, schema="gallery")
