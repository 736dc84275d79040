CREATE OR REPLACE VIEW analytics.failure_reasons AS
SELECT
    day,
    stage,
    reason,
    CAST(sum(images) AS bigint) AS images,
    CAST(coalesce(sum(images) FILTER (WHERE outcome = 'rejected'), 0) AS bigint) AS rejected,
    CAST(coalesce(sum(images) FILTER (WHERE outcome = 'failed'), 0) AS bigint) AS failed,
    count(DISTINCT gallery_id) AS galleries
FROM analytics.image_days
WHERE reason IS NOT NULL
GROUP BY day, stage, reason;

COMMENT ON VIEW analytics.failure_reasons IS
    'One row for each UTC day, stage and reason: what was rejected or failed, and why. An entry that fails in two attempts counts twice. Kept for good.';
COMMENT ON COLUMN analytics.failure_reasons.day IS
    'UTC day on which it happened.';
COMMENT ON COLUMN analytics.failure_reasons.stage IS
    'Where: download, process or save.';
COMMENT ON COLUMN analytics.failure_reasons.reason IS
    'Stable code of the rejection or failure.';
COMMENT ON COLUMN analytics.failure_reasons.images IS
    'Entries, once for each attempt.';
COMMENT ON COLUMN analytics.failure_reasons.rejected IS
    'Of these, rejected: the file is at fault.';
COMMENT ON COLUMN analytics.failure_reasons.failed IS
    'Of these, failed: a retry may succeed.';
COMMENT ON COLUMN analytics.failure_reasons.galleries IS
    'How many galleries were hit.';
