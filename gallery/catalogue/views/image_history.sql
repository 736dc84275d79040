CREATE OR REPLACE VIEW analytics.image_history AS
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
    h.number AS entry_number,
    h.notes
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
COMMENT ON COLUMN analytics.image_history.notes IS
    'What a person should know of an image that is in the gallery: damaged, hdr_tone_mapped, profile_unusable, colours_approximate, one_of_several. Empty: nothing.';
