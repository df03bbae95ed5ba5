-- The last good run of a mart, whose it is, and when the last one began that changed its rows.
SELECT l.started_at, l.epoch, (
    SELECT c.started_at FROM {registry}.refreshes AS c
    WHERE c.project = $1 AND c.schema = $2 AND c.mart = $3 AND c.status = 'success'
      AND (c.rows_inserted = 0 AND c.rows_updated = 0 AND c.rows_deleted = 0) IS NOT TRUE
    ORDER BY c.run DESC LIMIT 1) AS changed_at
FROM {registry}.refreshes AS l
WHERE l.project = $1 AND l.schema = $2 AND l.mart = $3 AND l.status IN ('success', 'noop')
ORDER BY l.run DESC LIMIT 1
