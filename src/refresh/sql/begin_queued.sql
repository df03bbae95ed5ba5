-- The row that waited becomes the run's row; who asked for it stays. Refused where a newer leadership is known, or where it does not
-- wait any more.
WITH quick AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
gone AS (
    UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now(),
           error = '{"kind": "connection", "message": "the process that ran it ended"}'::jsonb
    WHERE project = $1 AND schema = $2 AND mart = $3 AND status = 'running'
)
UPDATE {registry}.refreshes
SET method = $4, reason = $5, status = 'running', started_at = $6, revision = $7, requested_by = coalesce(requested_by, $8),
    host = $9, pid = pg_catalog.pg_backend_pid(), cause = coalesce($10, cause), epoch = $11, due_at = $12
FROM quick
WHERE run = $13 AND status = 'queued'
  AND NOT EXISTS (SELECT FROM {registry}.leaders AS l WHERE l.project = $1 AND l.epoch > $11)
RETURNING run
