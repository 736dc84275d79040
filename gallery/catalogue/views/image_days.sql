CREATE OR REPLACE VIEW analytics.image_days AS
SELECT day, gallery_id, camera, outcome, stage, reason, images, retries, process_cached,
    download_seconds, process_seconds, save_seconds, cleanup_seconds, bytes_in, bytes_out
FROM gallery.entry_days
UNION ALL
-- Days that are not closed yet.
SELECT day, gallery_id, camera, outcome, stage, reason,
    count(*),
    CAST(sum(retries) AS bigint),
    count(*) FILTER (WHERE process_cached),
    coalesce(sum(download_seconds), 0),
    coalesce(sum(process_seconds), 0),
    coalesce(sum(save_seconds), 0),
    coalesce(sum(cleanup_seconds), 0),
    CAST(sum(bytes_in) AS bigint),
    CAST(sum(bytes_out) AS bigint)
FROM gallery.entry_attempts
WHERE day > (SELECT coalesce(max(day), '-infinity') FROM gallery.entry_days)
GROUP BY day, gallery_id, camera, outcome, stage, reason;

COMMENT ON VIEW analytics.image_days IS
    'image_history summed up: one row for each UTC day, gallery, camera, outcome, stage and reason. Kept for good, also when the rows of image_history are gone. Each attempt counts: an entry that fails twice is counted twice as failed.';
COMMENT ON COLUMN analytics.image_days.day IS
    'UTC day on which the outcomes were written.';
COMMENT ON COLUMN analytics.image_days.gallery_id IS
    'The gallery.';
COMMENT ON COLUMN analytics.image_days.camera IS
    'Make and model. Null: unknown; so it is for most rejected files.';
COMMENT ON COLUMN analytics.image_days.outcome IS
    'saved, replaced, unchanged, superseded, rejected or failed.';
COMMENT ON COLUMN analytics.image_days.stage IS
    'Where it was rejected or failed. Null for good outcomes.';
COMMENT ON COLUMN analytics.image_days.reason IS
    'Code of the rejection or failure. Null for good outcomes.';
COMMENT ON COLUMN analytics.image_days.images IS
    'Entries, once for each attempt that worked on them.';
COMMENT ON COLUMN analytics.image_days.retries IS
    'Tries of a stage beyond its first, summed up.';
COMMENT ON COLUMN analytics.image_days.process_cached IS
    'Entries whose renditions were those of an earlier attempt.';
COMMENT ON COLUMN analytics.image_days.download_seconds IS
    'Seconds in download, summed up.';
COMMENT ON COLUMN analytics.image_days.process_seconds IS
    'Seconds in process, summed up.';
COMMENT ON COLUMN analytics.image_days.save_seconds IS
    'Seconds in save, summed up.';
COMMENT ON COLUMN analytics.image_days.cleanup_seconds IS
    'Seconds in cleanup, summed up.';
COMMENT ON COLUMN analytics.image_days.bytes_in IS
    'Bytes downloaded.';
COMMENT ON COLUMN analytics.image_days.bytes_out IS
    'Bytes put into the library and kept.';
