-- Opens a run's row, where the lock was got before it in the same message, nobody leads by a newer epoch and no run of this mart is open.
WITH known AS (
  SELECT EXISTS (SELECT FROM {registry}.refreshes AS r
                 WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status = 'running') AS open,
         EXISTS (SELECT FROM {registry}.leaders AS l WHERE l.project = $1 AND l.epoch > $10::bigint) AS superseded)
INSERT INTO {registry}.refreshes (project, schema, mart, method, reason, status, started_at, revision, requested_by, host, pid,
                                  epoch, cause, due_at)
SELECT $1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $13, $10, $11, $12 FROM known
WHERE NOT known.open AND NOT known.superseded AND pg_catalog.current_setting('datamart.got', true) = 'true'
  -- Who may not count is found out step by step.
  AND pg_catalog.has_table_privilege({totals}, 'SELECT') AND pg_catalog.has_table_privilege({totals}, 'INSERT')
  AND pg_catalog.has_table_privilege({totals}, 'UPDATE')
RETURNING run AS begun, pg_catalog.set_config('synchronous_commit', 'off', true) AS quick
