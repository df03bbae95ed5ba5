-- What was asked for in the same words ends as the run that was made of it.
UPDATE {registry}.refreshes AS w
SET status = r.status, method = r.method, reason = 'joined run ' || r.run, started_at = r.started_at, finished_at = r.finished_at,
    duration_ms = r.duration_ms, rows_inserted = r.rows_inserted, rows_updated = r.rows_updated, rows_deleted = r.rows_deleted,
    row_count = r.row_count, size_bytes = r.size_bytes, newest = r.newest, snapshot = r.snapshot, revision = r.revision,
    host = r.host, error = r.error, checks = r.checks, epoch = r.epoch
FROM {registry}.refreshes AS r
WHERE w.run = ANY ($1::bigint[]) AND w.status = 'queued' AND r.run = $2
