-- As begin.sql; refused where a newer leadership is known.
WITH quick AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
gone AS (
    UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now(),
           error = '{"kind": "connection", "message": "the process that ran it ended"}'::jsonb
    WHERE project = $1 AND schema = $2 AND mart = $3 AND status = 'running'
)
INSERT INTO {registry}.refreshes
       (project, schema, mart, method, reason, status, started_at, revision, requested_by, host, pid, cause, epoch, due_at)
SELECT $1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, pg_catalog.pg_backend_pid(), $10, $11, $12 FROM quick
WHERE NOT EXISTS (SELECT FROM {registry}.leaders AS l WHERE l.project = $1 AND l.epoch > $11)
RETURNING run
