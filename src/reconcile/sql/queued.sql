-- What was asked for and waits, in the order of asking.
SELECT run, schema, mart, options
FROM {registry}.refreshes
WHERE project = $1 AND status = 'queued'
ORDER BY run
