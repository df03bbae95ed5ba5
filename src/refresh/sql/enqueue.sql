-- Runs that wait for the daemon that leads. A request that waits already, asked for alike, is not written twice: its number is told.
WITH asked AS (
  SELECT a.schema, a.mart, a.place
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS a(schema, mart, place)),
waiting AS (
  SELECT a.place, min(r.run) AS run
  FROM asked AS a
  JOIN {registry}.refreshes AS r ON r.project = $1 AND r.schema = a.schema AND r.mart = a.mart
  WHERE r.status = 'queued' AND r.cause = 'request' AND r.options IS NOT DISTINCT FROM $4::jsonb
  GROUP BY a.place),
added AS (
  INSERT INTO {registry}.refreshes (project, schema, mart, status, reason, started_at, cause, options, requested_by, host)
  SELECT $1, a.schema, a.mart, 'queued', 'it waits to be run', now(), 'request', $4::jsonb, $5, $6
  FROM asked AS a
  WHERE NOT EXISTS (SELECT FROM waiting AS w WHERE w.place = a.place)
  ORDER BY a.place
  RETURNING run, schema, mart)
SELECT coalesce(w.run, n.run) AS run, n.run IS NOT NULL AS added
FROM asked AS a
LEFT JOIN waiting AS w USING (place)
LEFT JOIN added AS n ON n.schema = a.schema AND n.mart = a.mart
ORDER BY a.place
