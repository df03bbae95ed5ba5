-- Only the session that still runs it: not another one of that number, and not one that waits for us to write that it ended.
SELECT pg_catalog.pg_cancel_backend(a.pid) AS told
FROM {registry}.refreshes AS r
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = r.pid AND (a.backend_start IS NULL OR a.backend_start <= r.started_at)
WHERE r.project = $1 AND r.run = $2 AND r.status = 'running'
  AND NOT pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(a.pid))
