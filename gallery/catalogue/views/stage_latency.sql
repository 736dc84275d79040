CREATE OR REPLACE VIEW analytics.stage_latency AS
SELECT day, stage, images, p50, p95, p99, total_seconds
FROM gallery.stage_days
UNION ALL
-- Days that are not closed yet.
SELECT
    h.day,
    s.stage,
    count(*),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY s.seconds),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY s.seconds),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY s.seconds),
    sum(s.seconds)
FROM gallery.entry_attempts h
CROSS JOIN LATERAL (
    VALUES ('download', h.download_seconds), ('process', h.process_seconds), ('save', h.save_seconds),
        ('cleanup', h.cleanup_seconds)
) s (stage, seconds)
WHERE s.seconds IS NOT NULL AND h.day > (SELECT coalesce(max(day), '-infinity') FROM gallery.entry_days)
GROUP BY h.day, s.stage;

COMMENT ON VIEW analytics.stage_latency IS
    'One row for each UTC day and stage: how long the stage took for an image. Kept for good.';
COMMENT ON COLUMN analytics.stage_latency.day IS
    'UTC day on which the outcomes were written.';
COMMENT ON COLUMN analytics.stage_latency.stage IS
    'download, process, save or cleanup.';
COMMENT ON COLUMN analytics.stage_latency.images IS
    'Entries that went through the stage, once for each attempt; results from the cache are not among them.';
COMMENT ON COLUMN analytics.stage_latency.p50 IS
    'Half of them took at most so many seconds.';
COMMENT ON COLUMN analytics.stage_latency.p95 IS
    '95 of 100 took at most so many seconds.';
COMMENT ON COLUMN analytics.stage_latency.p99 IS
    '99 of 100 took at most so many seconds.';
COMMENT ON COLUMN analytics.stage_latency.total_seconds IS
    'Seconds, summed up.';
