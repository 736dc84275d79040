-- The views that analysts read. They run with their owner's rights, so that a reader needs none on the tables below,
-- and read the catalogue alone: nothing of Prefect's.
COMMENT ON SCHEMA analytics IS
    'The run history, for analysts. Times are UTC instants (timestamptz), sizes bytes and pixels, durations seconds.';

CREATE VIEW analytics.upload_history AS
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

CREATE VIEW analytics.run_history AS
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

CREATE VIEW analytics.image_history AS
SELECT
    h.upload_id,
    a.flow_run_id,
    h.attempt,
    h.gallery_id,
    h.image_id,
    h.file_name,
    h.outcome,
    h.stage,
    h.reason,
    h.message,
    h.download_seconds,
    h.process_seconds,
    h.save_seconds,
    h.cleanup_seconds,
    h.retries,
    h.process_cached,
    h.bytes_in,
    h.bytes_out,
    h.width,
    h.height,
    h.source_format,
    h.camera,
    h.finished_at,
    h.day,
    h.number AS entry_number
FROM gallery.entry_attempts h
LEFT JOIN gallery.attempts a ON a.upload_id = h.upload_id AND a.attempt = h.attempt;

COMMENT ON VIEW analytics.image_history IS
    'One row for each entry and attempt that worked on it; also for an entry that was settled without a download. Rows older than the retention (GALLERY_HISTORY_DAYS) are summed up in image_days and deleted. For sums over images take upload_history or image_days.';
COMMENT ON COLUMN analytics.image_history.upload_id IS
    'The upload.';
COMMENT ON COLUMN analytics.image_history.flow_run_id IS
    'The run in Prefect.';
COMMENT ON COLUMN analytics.image_history.attempt IS
    'Which attempt of the upload.';
COMMENT ON COLUMN analytics.image_history.gallery_id IS
    'The gallery.';
COMMENT ON COLUMN analytics.image_history.image_id IS
    'The image (gallery and file name). Null where the entry got no good outcome in this attempt.';
COMMENT ON COLUMN analytics.image_history.file_name IS
    'Path of the file within the folder that was sent.';
COMMENT ON COLUMN analytics.image_history.outcome IS
    'What this attempt made of it: saved, replaced, unchanged, superseded, rejected or failed.';
COMMENT ON COLUMN analytics.image_history.stage IS
    'Where it was rejected or failed: download, process, save. Null for good outcomes.';
COMMENT ON COLUMN analytics.image_history.reason IS
    'Stable code for a rejection or failure, such as truncated or storage_unavailable. Null for good outcomes.';
COMMENT ON COLUMN analytics.image_history.message IS
    'The reason in words. Null for good outcomes.';
COMMENT ON COLUMN analytics.image_history.download_seconds IS
    'Seconds in download, all tries together, without the pauses between them. Null: not reached.';
COMMENT ON COLUMN analytics.image_history.process_seconds IS
    'Seconds in process, the wait for a free decoder included. Null: not reached, or taken from the cache.';
COMMENT ON COLUMN analytics.image_history.save_seconds IS
    'Seconds in save, up to the commit. Null: not reached.';
COMMENT ON COLUMN analytics.image_history.cleanup_seconds IS
    'Seconds in cleanup. Null: there was nothing to delete, or it has not been reached.';
COMMENT ON COLUMN analytics.image_history.retries IS
    'Tries of a stage beyond its first, over all stages.';
COMMENT ON COLUMN analytics.image_history.process_cached IS
    'Whether the renditions were those of an earlier attempt. Null: process was not reached.';
COMMENT ON COLUMN analytics.image_history.bytes_in IS
    'Bytes downloaded. 0: none was needed, or it failed.';
COMMENT ON COLUMN analytics.image_history.bytes_out IS
    'Bytes put into the library and kept: original and renditions. 0 for all but saved and replaced.';
COMMENT ON COLUMN analytics.image_history.width IS
    'Width of the source in pixels, upright. Null: not decoded by this attempt or an earlier one.';
COMMENT ON COLUMN analytics.image_history.height IS
    'Height of the source in pixels, upright. Null as width.';
COMMENT ON COLUMN analytics.image_history.source_format IS
    'Format of the source by its bytes: jpeg, png, ... Null as width.';
COMMENT ON COLUMN analytics.image_history.camera IS
    'Make and model by EXIF. Null: the file does not say, or was not decoded.';
COMMENT ON COLUMN analytics.image_history.finished_at IS
    'When the outcome was written.';
COMMENT ON COLUMN analytics.image_history.day IS
    'UTC day of finished_at; what to filter by.';
COMMENT ON COLUMN analytics.image_history.entry_number IS
    'Position of the file in its upload, from 1.';

CREATE VIEW analytics.image_days AS
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

CREATE VIEW analytics.daily_throughput AS
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

CREATE VIEW analytics.stage_latency AS
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

CREATE VIEW analytics.failure_reasons AS
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
