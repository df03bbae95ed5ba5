r.run, r.schema, r.mart, r.method, r.reason, r.started_at, r.finished_at, r.duration_ms, r.rows_inserted, r.rows_updated,
r.rows_deleted, r.row_count, r.size_bytes, r.newest, r.revision, r.error,
-- A registry of format 1 has none, until the next apply.
coalesce(nullif(to_jsonb(r) -> 'checks', 'null'), '[]') AS checks,
nullif(to_jsonb(r) -> 'decision', 'null') AS decision,
-- A run whose session is gone was cut off; a standby cannot see the sessions of its primary.
CASE WHEN r.status = 'running' AND NOT pg_catalog.pg_is_in_recovery()
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity AS a
                          WHERE a.pid = r.pid AND (a.backend_start IS NULL OR a.backend_start <= r.started_at))
     THEN 'cancelled' ELSE r.status END AS status
