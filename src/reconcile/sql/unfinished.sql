-- Runs of leaderships that are over, and whether the server process of each is still there.
SELECT r.run, r.schema, r.mart,
       EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a
               WHERE a.pid = r.pid AND coalesce(a.backend_start <= r.started_at, true)) AS alive
FROM {registry}.refreshes AS r
WHERE r.project = $1 AND r.status = 'running' AND r.epoch < $2
ORDER BY r.run
