-- How long the newest refresh of each mart that went well took.
SELECT w.s AS schema, w.n AS name, r.duration_ms
FROM unnest($2::text[], $3::text[]) AS w (s, n)
CROSS JOIN LATERAL (
  SELECT h.duration_ms FROM {registry}.refreshes AS h
  WHERE h.project = $1 AND h.schema = w.s AND h.mart = w.n AND h.status = 'success'
  ORDER BY h.run DESC LIMIT 1
) AS r
WHERE r.duration_ms IS NOT NULL
