CREATE OR REPLACE VIEW analytics.upload_history AS
SELECT
    u.upload_id,
    u.gallery_id,
    u.state,
    u.trigger,
    u.requested_by,
    coalesce(u.accepted_at, u.created_at) AS requested_at,
    u.finished_at,
    CAST(extract(epoch FROM u.finished_at - coalesce(u.accepted_at, u.created_at)) AS double precision)
        AS duration_seconds,
    u.attempt AS attempts,
    u.image_count,
    coalesce(now_so_far.saved, u.saved) AS saved,
    coalesce(now_so_far.replaced, u.replaced) AS replaced,
    coalesce(now_so_far.unchanged, u.unchanged) AS unchanged,
    coalesce(now_so_far.superseded, u.superseded) AS superseded,
    coalesce(now_so_far.rejected, u.rejected) AS rejected,
    coalesce(now_so_far.failed, u.failed) AS failed,
    coalesce(now_so_far.bytes_in, u.bytes_in) AS bytes_in,
    coalesce(now_so_far.bytes_out, u.bytes_out) AS bytes_out
FROM gallery.uploads u
-- While a run is under way its entries are counted; when it ends the sums are stored with the upload.
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
    FROM gallery.entries e
    -- Here, too: else every upload's entries are counted, and thrown away.
    WHERE e.upload_id = u.upload_id AND u.state = 'running'
) now_so_far ON u.state = 'running';

COMMENT ON VIEW analytics.upload_history IS
    'One row for each upload, with the final outcomes of its entries: the one to sum over, since no image is counted twice however many attempts it took. Kept for good.';
COMMENT ON COLUMN analytics.upload_history.upload_id IS
    'The upload. Unique.';
COMMENT ON COLUMN analytics.upload_history.gallery_id IS
    'The gallery it is for.';
COMMENT ON COLUMN analytics.upload_history.state IS
    'open, accepted, running, completed, completed_with_rejects, failed, cancelled, crashed or expired (never completed by its sender).';
COMMENT ON COLUMN analytics.upload_history.trigger IS
    'What first started it: api, webhook, s3_event, ui, cli or schedule.';
COMMENT ON COLUMN analytics.upload_history.requested_by IS
    'Name of the API key or webhook that sent it.';
COMMENT ON COLUMN analytics.upload_history.requested_at IS
    'When it was accepted for ingest; before that, when it was opened.';
COMMENT ON COLUMN analytics.upload_history.finished_at IS
    'When its newest attempt ended. Null while it is open, accepted or running.';
COMMENT ON COLUMN analytics.upload_history.duration_seconds IS
    'Seconds from requested_at to finished_at, with all waiting between attempts; for work alone see run_history. Null until it has ended.';
COMMENT ON COLUMN analytics.upload_history.attempts IS
    'Executions of its flow run so far; more than 1: it was retried.';
COMMENT ON COLUMN analytics.upload_history.image_count IS
    'Entries (files) of the upload. Less all outcomes together: the entries without one.';
COMMENT ON COLUMN analytics.upload_history.saved IS
    'Entries whose final outcome is this: first version of an image. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.replaced IS
    'Entries whose final outcome is this: new version of a known image. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.unchanged IS
    'Entries whose final outcome is this: same content and recipe as the current version. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.superseded IS
    'Entries whose final outcome is this: a later upload got there first. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.rejected IS
    'Entries whose final outcome is this: the file is at fault. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.failed IS
    'Entries whose final outcome is this: a retry may succeed. 0 where none.';
COMMENT ON COLUMN analytics.upload_history.bytes_in IS
    'Bytes downloaded, for each entry by the attempt that gave it its outcome. 0 where none needed a download.';
COMMENT ON COLUMN analytics.upload_history.bytes_out IS
    'Bytes put into the library and kept: originals and renditions of saved and replaced entries.';
