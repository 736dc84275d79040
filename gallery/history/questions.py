"""What `gallery history`, `failures` and `report` ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gallery.errors import RefusedRequest
from gallery.history.source import History, Table
from gallery.models import FINAL_STATES

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
STATES = sorted(FINAL_STATES | {"open", "accepted", "running"})


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked about: one gallery or all, from `since` up to `until`, one state or outcome or all."""

    gallery: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    limit: int = 50

    def parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("gallery", "since", "until", "state", "limit")}


def parse_time(given: str | None, now: datetime | None = None) -> datetime | None:
    """`7d`, `24h`, `2w` ago; or a UTC day or moment in ISO 8601. Raises `RefusedRequest`."""
    if given is None:
        return None
    if (ago := re.fullmatch(r"(\d{1,4})([hdw])", given)) is not None:
        return (now or datetime.now(UTC)) - int(ago[1]) * UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise RefusedRequest(
            "invalid_time", f"{given!r} is no time: give 7d, 24h, 2w, or a day or moment like 2026-06-20"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _where(moment: str, state: str | None) -> str:
    """The filters as a condition; `moment` and `state` are columns of ours."""
    parts = [
        "(%(gallery)s::text IS NULL OR gallery_id = %(gallery)s)",
        f"(%(since)s::timestamptz IS NULL OR {moment} >= %(since)s)",
        f"(%(until)s::timestamptz IS NULL OR {moment} < %(until)s)",
    ]
    if state is not None:
        parts.append(f"(%(state)s::text IS NULL OR {state} = %(state)s)")
    return " AND ".join(parts)


def uploads(history: History, filters: Filters) -> Table:
    """Uploads, the newest first. Raises `RefusedRequest` for a state that there is not."""
    _check_state(filters, STATES)
    where = _where("requested_at", "state")
    query = f"SELECT * FROM upload_history WHERE {where} ORDER BY requested_at DESC LIMIT %(limit)s"  # noqa: S608
    return history.ask(query, filters.parameters())


def runs(history: History, filters: Filters) -> Table:
    """Attempts and maintenance runs, the newest first. Raises `RefusedRequest` for a state that there is not."""
    _check_state(filters, STATES)
    where = _where("started_at", "state")
    query = f"SELECT * FROM run_history WHERE {where} ORDER BY started_at DESC LIMIT %(limit)s"  # noqa: S608
    return history.ask(query, filters.parameters())


def failures(history: History, filters: Filters) -> Table:
    """Entries that an attempt ended `rejected` or `failed`, the newest first. Raises `RefusedRequest`."""
    _check_state(filters, ["failed", "rejected"])
    where = _where("finished_at", "outcome")
    # By day, too: that is what is indexed.
    query = (
        f"SELECT * FROM image_history WHERE reason IS NOT NULL AND {where}"  # noqa: S608
        " AND (%(since)s::timestamptz IS NULL OR day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date)"
        " ORDER BY day DESC, finished_at DESC, entry_number LIMIT %(limit)s"
    )
    return history.ask(query, filters.parameters())


def _check_state(filters: Filters, known: list[str]) -> None:
    if filters.state is not None and filters.state not in known:
        raise RefusedRequest("invalid_state", f"{filters.state!r} is none of {', '.join(known)}")


DAYS = """
SELECT day, sum(runs)::bigint AS runs, sum(images)::bigint AS images, sum(saved)::bigint AS saved,
    sum(replaced)::bigint AS replaced, sum(unchanged)::bigint AS unchanged, sum(superseded)::bigint AS superseded,
    sum(rejected)::bigint AS rejected, sum(failed)::bigint AS failed, sum(bytes_in)::bigint AS bytes_in,
    sum(bytes_out)::bigint AS bytes_out, sum(busy_seconds) AS busy_seconds,
    sum(images)::float8 / nullif(sum(busy_seconds), 0) AS images_per_second
FROM daily_throughput WHERE {where} GROUP BY day ORDER BY day
"""
STAGES = """
SELECT day, stage, images, p50, p95, p99, total_seconds FROM stage_latency WHERE {where} ORDER BY day, stage
"""
STAGES_OF_A_GALLERY = """
SELECT day, s.stage, count(*) AS images, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99, sum(seconds) AS total_seconds
FROM image_history CROSS JOIN LATERAL (
    VALUES ('download', download_seconds), ('process', process_seconds), ('save', save_seconds),
        ('cleanup', cleanup_seconds)
) s (stage, seconds)
WHERE seconds IS NOT NULL AND gallery_id = %(gallery)s AND {where} GROUP BY day, s.stage ORDER BY day, s.stage
"""
REASONS = """
SELECT stage, reason, outcome, sum(images)::bigint AS images, count(DISTINCT gallery_id) AS galleries,
    max(day) AS last_seen
FROM image_days WHERE reason IS NOT NULL AND {where}
GROUP BY stage, reason, outcome ORDER BY images DESC, stage, reason
"""
GALLERIES = """
SELECT gallery_id, count(*) AS runs, sum(saved + replaced + unchanged + superseded + rejected)::bigint AS images,
    sum(rejected)::bigint AS rejected, sum(failed)::bigint AS failed, sum(duration_seconds) AS run_seconds,
    sum(saved + replaced + unchanged + superseded + rejected)::float8 / nullif(sum(duration_seconds), 0)
        AS images_per_second, sum(bytes_in)::bigint AS bytes_in, sum(bytes_out)::bigint AS bytes_out
FROM run_history WHERE flow_name = 'ingest-gallery' AND {where}
GROUP BY gallery_id ORDER BY run_seconds DESC NULLS LAST, gallery_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A stretch of time, summed up."""

    filters: Filters
    days: Table
    stages: Table
    reasons: Table
    galleries: Table

    def sections(self) -> dict[str, Table]:
        return {"days": self.days, "stages": self.stages, "reasons": self.reasons, "galleries": self.galleries}


def report(history: History, filters: Filters) -> Report:
    """Ask for all that a report shows; `filters.limit` is how many galleries, those that took longest."""
    gallery = "(%(gallery)s::text IS NULL OR gallery_id = %(gallery)s)"
    days = (
        "(%(since)s::timestamptz IS NULL OR day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date)"
        " AND (%(until)s::timestamptz IS NULL OR day <= (%(until)s::timestamptz AT TIME ZONE 'UTC')::date)"
    )

    def ask(query: str, where: str) -> Table:
        return history.ask(query.replace("{where}", where), filters.parameters())

    return Report(
        filters,
        ask(DAYS, f"{gallery} AND {days}"),
        ask(STAGES_OF_A_GALLERY if filters.gallery else STAGES, days),
        ask(REASONS, f"{gallery} AND {days}"),
        ask(GALLERIES, _where("started_at", None)),
    )
