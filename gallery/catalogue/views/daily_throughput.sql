CREATE OR REPLACE VIEW analytics.daily_throughput AS
SELECT
    CAST(r.started_at AT TIME ZONE 'UTC' AS date) AS day,
    r.gallery_id,
    count(*) AS runs,
    count(*) FILTER (WHERE r.attempt > 1) AS retried_runs,
    CAST(sum(r.saved + r.replaced + r.unchanged + r.superseded + r.rejected) AS bigint) AS images,
    CAST(sum(r.saved) AS bigint) AS saved,
    CAST(sum(r.replaced) AS bigint) AS replaced,
    CAST(sum(r.unchanged) AS bigint) AS unchanged,
    CAST(sum(r.superseded) AS bigint) AS superseded,
    CAST(sum(r.rejected) AS bigint) AS rejected,
    CAST(sum(r.failed) AS bigint) AS failed,
    CAST(sum(r.bytes_in) AS bigint) AS bytes_in,
    CAST(sum(r.bytes_out) AS bigint) AS bytes_out,
    coalesce(sum(r.duration_seconds), 0) AS busy_seconds,
    CAST(
        sum(r.saved + r.replaced + r.unchanged + r.superseded + r.rejected) FILTER (WHERE r.duration_seconds IS NOT NULL)
        / nullif(sum(r.duration_seconds), 0)
        AS double precision
    ) AS images_per_second
FROM analytics.run_history r
WHERE r.flow_name = 'ingest-gallery'
GROUP BY 1, 2;

COMMENT ON VIEW analytics.daily_throughput IS
    'One row for each UTC day on which attempts began, and gallery. Kept for good.';
COMMENT ON COLUMN analytics.daily_throughput.day IS
    'UTC day on which the attempts began.';
COMMENT ON COLUMN analytics.daily_throughput.gallery_id IS
    'The gallery.';
COMMENT ON COLUMN analytics.daily_throughput.runs IS
    'Attempts that began on this day.';
COMMENT ON COLUMN analytics.daily_throughput.retried_runs IS
    'Of these, how many were not the first of their upload.';
COMMENT ON COLUMN analytics.daily_throughput.images IS
    'Entries that these attempts were through with: all outcomes but failed. A retry adds only what it finished.';
COMMENT ON COLUMN analytics.daily_throughput.saved IS
    'Entries to which these attempts gave this outcome: first version of an image. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.replaced IS
    'Entries to which these attempts gave this outcome: new version of a known image. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.unchanged IS
    'Entries to which these attempts gave this outcome: same content and recipe as the current version. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.superseded IS
    'Entries to which these attempts gave this outcome: a later upload got there first. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.rejected IS
    'Entries to which these attempts gave this outcome: the file is at fault. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.failed IS
    'Entries to which these attempts gave this outcome: a retry may succeed. 0 where none.';
COMMENT ON COLUMN analytics.daily_throughput.bytes_in IS
    'Bytes downloaded.';
COMMENT ON COLUMN analytics.daily_throughput.bytes_out IS
    'Bytes put into the library and kept.';
COMMENT ON COLUMN analytics.daily_throughput.busy_seconds IS
    'Duration of the attempts that have ended, summed up.';
COMMENT ON COLUMN analytics.daily_throughput.images_per_second IS
    'images by busy_seconds. Null until an attempt has ended.';
