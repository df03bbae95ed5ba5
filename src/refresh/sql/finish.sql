-- Closes a run's row and counts the run. One whose commit went well while the connection broke is closed.
WITH ended AS (
  UPDATE {registry}.refreshes
  SET status = $2, method = $3, reason = $4, finished_at = $5, duration_ms = $6, rows_inserted = $7, rows_updated = $8,
      rows_deleted = $9, row_count = $10, size_bytes = $11, newest = $12, snapshot = $13, error = $14, checks = $15{decided}
  WHERE run = $1 AND status <> 'success'
  RETURNING project, schema, mart, status, duration_ms / 1000 AS seconds,
            run, started_at, finished_at, row_count, size_bytes, newest),
counted AS (
  {count ended})
SELECT FROM ended
