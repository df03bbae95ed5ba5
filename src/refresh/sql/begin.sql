-- Opens a run's row. Runs of this mart that never told their end are over: whoever holds its lock now is the only one.
WITH abandoned AS (
  UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now(),
         error = '{"kind": "connection", "sqlstate": null, "message": "the process that ran it ended", "hint": null}'::jsonb
  WHERE project = $1 AND schema = $2 AND mart = $3 AND status = 'running'
  RETURNING project, schema, mart, status, NULL::float8 AS seconds, run, started_at, finished_at, row_count, size_bytes, newest),
counted AS (
  {count abandoned}),
newer AS (
  SELECT l.epoch FROM {registry}.leaders AS l WHERE l.project = $1 AND l.epoch > $10::bigint),
taken AS (
  UPDATE {registry}.refreshes
  SET status = 'running', method = $4, reason = $5, started_at = $6, revision = $7, host = $9, pid = pg_catalog.pg_backend_pid(),
      epoch = $10, cause = coalesce(cause, $11), due_at = coalesce(due_at, $12)
  WHERE run = $13 AND status = 'queued' AND NOT EXISTS (SELECT FROM newer)
  RETURNING run),
added AS (
  INSERT INTO {registry}.refreshes (project, schema, mart, method, reason, status, started_at, revision, requested_by, host, pid,
                                    epoch, cause, due_at)
  SELECT $1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, pg_catalog.pg_backend_pid(), $10, $11, $12
  WHERE $13::bigint IS NULL AND NOT EXISTS (SELECT FROM newer)
  RETURNING run)
SELECT coalesce((SELECT run FROM taken), (SELECT run FROM added)) AS run, EXISTS (SELECT FROM newer) AS superseded{quick}
