-- Writes a run that did not begin: into the row where it waited, or as a new one.
WITH taken AS (
  UPDATE {registry}.refreshes
  SET status = $5, reason = $4, started_at = $6, finished_at = $6, duration_ms = 0, revision = $7, host = $9, error = $10,
      epoch = $11, cause = coalesce(cause, $12), due_at = coalesce(due_at, $13)
  WHERE run = $14 AND status = 'queued'
  RETURNING project, schema, mart, status, run, started_at, finished_at, row_count, size_bytes, newest),
added AS (
  INSERT INTO {registry}.refreshes
         (project, schema, mart, reason, status, started_at, finished_at, duration_ms, revision, requested_by, host, error,
          epoch, cause, due_at)
  SELECT $1, $2, $3, $4, $5, $6, $6, 0, $7, $8, $9, $10, $11, $12, $13
  WHERE $14::bigint IS NULL
  RETURNING project, schema, mart, status, run, started_at, finished_at, row_count, size_bytes, newest),
ended AS (
  SELECT *, NULL::float8 AS seconds FROM taken UNION ALL SELECT *, NULL FROM added),
counted AS (
  {count ended})
SELECT run, pg_catalog.pg_notify($16, $15) FROM ended
