-- How the refreshes of every mart went, by its last twenty runs: the last one, the last good one, how long good ones take, and the
-- failures since, the last one that changed rows. Of marts that are computed whole now and then, also the last such run, however long ago.
SELECT m.schema, m.name, m.created_at, CASE WHEN r.good IS NULL THEN m.applied ? 'adopted' ELSE false END AS adopted, r.started_at, r.finished_at, r.kind, r.good, coalesce(r.size_bytes, 0) AS size_bytes,
       coalesce(r.whole, whole.started_at) AS whole, r.usual_ms, r.failures, r.read, r.changed_at, r.changed
FROM {registry}.marts AS m
CROSS JOIN LATERAL (
  SELECT (array_agg(l.started_at))[1] AS started_at, (array_agg(l.finished_at))[1] AS finished_at, (array_agg(l.kind))[1] AS kind,
         max(l.started_at) FILTER (WHERE l.good) AS good, (array_agg(l.size_bytes) FILTER (WHERE l.good))[1] AS size_bytes,
         max(l.started_at) FILTER (WHERE l.status = 'success' AND l.method IN ('plain', 'concurrently', 'merge', 'swap', 'exchange')) AS whole,
         (array_agg(l.snapshot) FILTER (WHERE l.good))[1] AS read,
         (array_agg(l.finished_at) FILTER (WHERE l.changed))[1] AS changed_at,
         (array_agg(l.snapshot) FILTER (WHERE l.changed))[1] AS changed,
         avg(l.duration_ms) FILTER (WHERE l.status = 'success') AS usual_ms,
         count(*) FILTER (WHERE l.better = 0 AND (l.status = 'failed' OR l.kind = 'connection')) AS failures
  FROM (SELECT r.started_at, r.finished_at, r.status, r.method, r.size_bytes, r.duration_ms, r.error ->> 'kind' AS kind,
               r.snapshot, r.status IN ('success', 'noop') AS good,
               r.status = 'success' AND (r.rows_inserted = 0 AND r.rows_updated = 0 AND r.rows_deleted = 0) IS NOT TRUE AS changed,
               count(*) FILTER (WHERE r.status IN ('success', 'noop')) OVER (ORDER BY r.run DESC) AS better
        FROM (SELECT * FROM {registry}.refreshes AS r
              WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name
                AND r.status IN ('success', 'noop', 'failed', 'cancelled')
              ORDER BY r.run DESC LIMIT 20) AS r
        ORDER BY r.run DESC) AS l) AS r
LEFT JOIN LATERAL (
  SELECT r.started_at
  FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status = 'success'
    AND r.method IN ('plain', 'concurrently', 'merge', 'swap', 'exchange')
  ORDER BY r.run DESC LIMIT 1) AS whole ON m.declared #>> '{refresh,incremental,full_schedule}' IS NOT NULL
WHERE m.project = $1 AND m.status <> 'dropped'
