-- How the refreshes of every mart went: the last run, the last good one, the last whole one, how long good ones take, and the
-- failures since the last good one.
SELECT m.schema, m.name, m.created_at, last.started_at, last.finished_at, last.kind, good.started_at AS good,
       coalesce(good.size_bytes, 0) AS size_bytes, whole.started_at AS whole, usual.ms AS usual_ms,
       coalesce(failed.failures, 0) AS failures
FROM {registry}.marts AS m
LEFT JOIN LATERAL (
  SELECT r.started_at, r.finished_at, r.error ->> 'kind' AS kind
  FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status IN ('success', 'noop', 'failed', 'cancelled')
  ORDER BY r.run DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (
  SELECT r.run, r.started_at, r.size_bytes
  FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status IN ('success', 'noop')
  ORDER BY r.run DESC LIMIT 1) AS good ON true
LEFT JOIN LATERAL (
  SELECT r.started_at
  FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status = 'success'
    AND r.method NOT IN ('window', 'append', 'upsert')
  ORDER BY r.run DESC LIMIT 1) AS whole ON good.run IS NOT NULL
LEFT JOIN LATERAL (
  SELECT avg(d.duration_ms) AS ms
  FROM (SELECT r.duration_ms
        FROM {registry}.refreshes AS r
        WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status = 'success'
        ORDER BY r.run DESC LIMIT 5) AS d) AS usual ON good.run IS NOT NULL
LEFT JOIN LATERAL (
  SELECT count(*) AS failures
  FROM (SELECT FROM {registry}.refreshes AS r
        WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.run > coalesce(good.run, 0)
          AND (r.status = 'failed' OR r.status = 'cancelled' AND r.error ->> 'kind' = 'connection')
        ORDER BY r.run DESC LIMIT 10) AS f) AS failed ON last.kind IS NOT NULL
WHERE m.project = $1 AND m.status <> 'dropped'
