-- Runs that are at work or wait, oldest first.
SELECT {columns}
FROM {registry}.refreshes AS r
WHERE r.project = $1 AND r.status IN ('queued', 'running')
ORDER BY r.run
LIMIT $2
