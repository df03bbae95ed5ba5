-- Runs of this mart that never told their end are over: whoever holds its lock now is the only one. A crash that loses the row of
-- one that runs loses nothing: its end is written with all that stands before it.
WITH quick AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
gone AS (
    UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now(),
           error = '{"kind": "connection", "message": "the process that ran it ended"}'::jsonb
    WHERE project = $1 AND schema = $2 AND mart = $3 AND status = 'running'
)
INSERT INTO {registry}.refreshes (project, schema, mart, method, reason, status, started_at, revision, requested_by, host, pid)
SELECT $1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, pg_catalog.pg_backend_pid() FROM quick
RETURNING run
