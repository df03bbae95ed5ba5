-- How the last revision went, and whether one is being applied now.
SELECT attempted, attempted_at, applied, applied_at, status, reason, message, problems, fingerprint, approved = fingerprint AS approved,
       approved_by, drift, drift_at,
       EXISTS (SELECT FROM {registry}.applies AS a JOIN pg_catalog.pg_stat_activity AS s ON s.pid = a.pid
               WHERE a.project = r.project AND a.status = 'running' AND s.datname = pg_catalog.current_database()) AS applying
FROM {registry}.reconciles AS r
WHERE project = $1
