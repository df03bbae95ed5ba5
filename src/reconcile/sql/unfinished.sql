-- Runs of leaderships that are over.
SELECT run, schema, mart
FROM {registry}.refreshes
WHERE project = $1 AND status = 'running' AND epoch < $2
ORDER BY run
