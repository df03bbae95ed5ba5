-- The last good run of a mart, and whose it is.
SELECT started_at, epoch
FROM {registry}.refreshes
WHERE project = $1 AND schema = $2 AND mart = $3 AND status IN ('success', 'noop')
ORDER BY run DESC LIMIT 1
