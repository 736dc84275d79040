"""Fills an empty catalogue with a made-up run history, and times the queries of docs/analytics.md on it.

    GALLERY_DATABASE_URL=postgresql://... python -m bench.history_rows --rows 5000000

The database must be one that nobody needs: it is migrated and filled.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import psycopg
from sqlalchemy import Connection, text

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import migrate
from gallery.catalogue.retention import summarise_days
from gallery.settings import load_settings

IMAGES = 1361  # of one upload, the gallery of the article
PAGE = Path(__file__).parent.parent / "docs" / "analytics.md"
# Uploads spread over a year until now; in each upload 1 of 100 entries is rejected, 1 of 200 failed.
FILL = """
INSERT INTO gallery.galleries (gallery_id) SELECT 'gallery-' || n FROM generate_series(1, :uploads) n;
INSERT INTO gallery.uploads (upload_id, gallery_id, state, trigger, requested_by, files_fingerprint, image_count,
    created_at, accepted_at, accepted_seq, attempt, finished_at)
SELECT 'upload-' || n, 'gallery-' || n, 'completed_with_rejects', 'api', 'web', 'x', :images, at, at, n,
    1, at + interval '120 s'
FROM (SELECT n, now() - interval '365 days' * (1 - n::float8 / :uploads) - interval '3 min' AS at
      FROM generate_series(1, :uploads) n) made;
INSERT INTO gallery.attempts (upload_id, attempt, flow_run_id, state, trigger, requested_by, requested_at, started_at,
    finished_at)
SELECT upload_id, 1, gen_random_uuid(), state, trigger, requested_by, accepted_at, accepted_at + interval '2 s',
    finished_at FROM gallery.uploads;
INSERT INTO gallery.entries (upload_id, number, file_name, staged_key, outcome, attempt, finished_at)
SELECT upload_id, n, 'card1/IMG_' || n || '.JPG', 'key', 'saved', 1, finished_at
FROM gallery.uploads, generate_series(1, :images) n;
INSERT INTO gallery.entry_attempts (upload_id, number, attempt, gallery_id, file_name, image_id, outcome, stage, reason,
    message, download_seconds, process_seconds, save_seconds, retries, process_cached, bytes_in, bytes_out, width,
    height, source_format, camera, finished_at)
SELECT upload_id, n, 1, gallery_id, 'card1/IMG_' || n || '.JPG', gen_random_uuid(),
    CASE WHEN n % 100 = 0 THEN 'rejected' WHEN n % 200 = 1 THEN 'failed' ELSE 'saved' END,
    CASE WHEN n % 100 = 0 THEN 'process' WHEN n % 200 = 1 THEN 'save' END,
    CASE WHEN n % 100 = 0 THEN 'truncated' WHEN n % 200 = 1 THEN 'storage_unavailable' END,
    CASE WHEN n % 100 = 0 THEN 'the file is cut off' END,
    random() / 5, 0.3 + random(), random() / 20, n % 37 / 36, false, 12000000, 14000000, 6000, 4000,
    'jpeg', 'Maker Model ' || (n + length(upload_id)) % 12, finished_at - interval '1 ms' * n
FROM gallery.uploads, generate_series(1, :images) n;
UPDATE gallery.attempts a SET saved = t.saved, rejected = t.rejected, failed = t.failed, bytes_in = t.bytes_in,
    bytes_out = t.bytes_out
FROM (SELECT upload_id, count(*) FILTER (WHERE outcome = 'saved') AS saved,
          count(*) FILTER (WHERE outcome = 'rejected') AS rejected,
          count(*) FILTER (WHERE outcome = 'failed') AS failed,
          sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out
      FROM gallery.entry_attempts GROUP BY upload_id) t WHERE t.upload_id = a.upload_id;
UPDATE gallery.uploads u SET saved = a.saved, rejected = a.rejected, failed = a.failed, bytes_in = a.bytes_in,
    bytes_out = a.bytes_out FROM gallery.attempts a WHERE a.upload_id = u.upload_id;
"""


def fill(connection: Connection, rows: int) -> None:
    """Make about `rows` image rows."""
    values = {"uploads": max(rows // IMAGES, 1), "images": IMAGES}
    for statement in FILL.split(";\n"):
        if statement.strip():
            wanted = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), wanted)


def questions() -> list[tuple[str, str]]:
    """The titles and queries of the page."""
    return re.findall(r"^### (.+?)\n\n```sql\n(.+?);\n```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def main() -> None:
    """Fill, summarise, ask each question three times and print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    rows = parser.parse_args().rows
    settings = load_settings()
    engine = connect(settings, application="bench", connections=1)
    migrate(engine)
    if rows:
        began = time.monotonic()
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            fill(connection, rows)
        print(f"filled in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        with transaction(engine) as session:
            days = summarise_days(session)
        print(f"{len(days)} days summed up in {time.monotonic() - began:.1f} s")
        with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL search_path = analytics"))
        for title, query in questions():
            times = []
            for _ in range(3):
                began = time.monotonic()
                connection.exec_driver_sql(query).all()
                times.append(time.monotonic() - began)
            print(f"{sorted(times)[1] * 1000:8.1f} ms  {title}")


if __name__ == "__main__":
    main()
