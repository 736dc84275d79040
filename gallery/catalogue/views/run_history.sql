CREATE OR REPLACE VIEW analytics.run_history AS
SELECT
    a.upload_id,
    u.gallery_id,
    'ingest-gallery' AS flow_name,
    a.flow_run_id,
    a.attempt,
    a.state,
    a.requested_at,
    a.started_at,
    a.finished_at,
    CAST(greatest(extract(epoch FROM a.started_at - a.requested_at), 0) AS double precision) AS queue_seconds,
    CAST(extract(epoch FROM a.finished_at - a.started_at) AS double precision) AS duration_seconds,
    coalesce(now_so_far.saved, a.saved) AS saved,
    coalesce(now_so_far.replaced, a.replaced) AS replaced,
    coalesce(now_so_far.unchanged, a.unchanged) AS unchanged,
    coalesce(now_so_far.superseded, a.superseded) AS superseded,
    coalesce(now_so_far.rejected, a.rejected) AS rejected,
    coalesce(now_so_far.failed, a.failed) AS failed,
    coalesce(now_so_far.bytes_in, a.bytes_in) AS bytes_in,
    coalesce(now_so_far.bytes_out, a.bytes_out) AS bytes_out,
    CAST(
        (a.saved + a.replaced + a.unchanged + a.superseded + a.rejected + a.failed)
        / nullif(extract(epoch FROM a.finished_at - a.started_at), 0)
        AS double precision
    ) AS images_per_second,
    a.trigger,
    a.requested_by,
    a.message,
    CAST(NULL AS jsonb) AS counts
FROM gallery.attempts a
JOIN gallery.uploads u ON u.upload_id = a.upload_id
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE e.outcome = 'saved') AS saved,
        count(*) FILTER (WHERE e.outcome = 'replaced') AS replaced,
        count(*) FILTER (WHERE e.outcome = 'unchanged') AS unchanged,
        count(*) FILTER (WHERE e.outcome = 'superseded') AS superseded,
        count(*) FILTER (WHERE e.outcome = 'rejected') AS rejected,
        count(*) FILTER (WHERE e.outcome = 'failed') AS failed,
        CAST(sum(e.bytes_in) AS bigint) AS bytes_in,
        CAST(sum(e.bytes_out) AS bigint) AS bytes_out
    FROM gallery.entry_attempts e
    WHERE e.upload_id = a.upload_id AND e.attempt = a.attempt AND a.state = 'running'
) now_so_far ON a.state = 'running'
UNION ALL
SELECT
    NULL,
    m.gallery_id,
    m.flow_name,
    m.flow_run_id,
    m.attempt,
    m.state,
    m.requested_at,
    m.started_at,
    m.finished_at,
    CAST(greatest(extract(epoch FROM m.started_at - m.requested_at), 0) AS double precision),
    CAST(extract(epoch FROM m.finished_at - m.started_at) AS double precision),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL,
    NULL,
    m.message,
    m.counts
FROM gallery.maintenance_runs m;

COMMENT ON VIEW analytics.run_history IS
    'One row for each flow run and attempt (a retry is the next attempt), counting only what that attempt did: an image that failed and was retried is in two rows. Includes maintenance runs. Kept for good.';
COMMENT ON COLUMN analytics.run_history.upload_id IS
    'The upload. Null for maintenance runs.';
COMMENT ON COLUMN analytics.run_history.gallery_id IS
    'The gallery. Null for a maintenance run over all.';
COMMENT ON COLUMN analytics.run_history.flow_name IS
    'ingest-gallery, or the maintenance flow: rebuild-renditions, sweep-storage.';
COMMENT ON COLUMN analytics.run_history.flow_run_id IS
    'The run in Prefect, for as long as Prefect keeps it; several attempts may share it.';
COMMENT ON COLUMN analytics.run_history.attempt IS
    '1, 2, ...: which execution, counted by upload, or for maintenance runs by flow run.';
COMMENT ON COLUMN analytics.run_history.state IS
    'running, completed, completed_with_rejects, failed, cancelled or crashed.';
COMMENT ON COLUMN analytics.run_history.requested_at IS
    'When this attempt was asked for. Null where nobody knows.';
COMMENT ON COLUMN analytics.run_history.started_at IS
    'When it began to work.';
COMMENT ON COLUMN analytics.run_history.finished_at IS
    'When it ended; of a crashed attempt that could not say so, its last sign of life. Null while it runs.';
COMMENT ON COLUMN analytics.run_history.queue_seconds IS
    'Seconds from requested_at to started_at. Null where requested_at is.';
COMMENT ON COLUMN analytics.run_history.duration_seconds IS
    'Seconds from started_at to finished_at. Null while it runs.';
COMMENT ON COLUMN analytics.run_history.saved IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): first version of an image. 0 where none.';
COMMENT ON COLUMN analytics.run_history.replaced IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): new version of a known image. 0 where none.';
COMMENT ON COLUMN analytics.run_history.unchanged IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): same content and recipe as the current version. 0 where none.';
COMMENT ON COLUMN analytics.run_history.superseded IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): a later upload got there first. 0 where none.';
COMMENT ON COLUMN analytics.run_history.rejected IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): the file is at fault. 0 where none.';
COMMENT ON COLUMN analytics.run_history.failed IS
    'Entries to which this attempt gave this outcome (null for maintenance runs): a retry may succeed. 0 where none.';
COMMENT ON COLUMN analytics.run_history.bytes_in IS
    'Bytes that this attempt downloaded. Null for maintenance runs.';
COMMENT ON COLUMN analytics.run_history.bytes_out IS
    'Bytes that this attempt put into the library and that stayed there. Null for maintenance runs.';
COMMENT ON COLUMN analytics.run_history.images_per_second IS
    'All outcomes of this attempt by duration_seconds. Null while it runs, and for maintenance runs.';
COMMENT ON COLUMN analytics.run_history.trigger IS
    'What started this attempt: as in upload_history for the first; api for a retry through the API; ui for what was done in Prefect (its UI, command line or an automation). Null for maintenance runs.';
COMMENT ON COLUMN analytics.run_history.requested_by IS
    'Name of the API key that asked for it. Null for what was done in Prefect: it does not say who.';
COMMENT ON COLUMN analytics.run_history.message IS
    'How it ended, in words; the same as in Prefect. Null while it runs.';
COMMENT ON COLUMN analytics.run_history.counts IS
    'Of a maintenance run, what it did. Null for ingests.';
