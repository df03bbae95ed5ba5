-- Old runs, oldest first: but for the last of each mart and the last that made its data; so many at most. Everything is read once, however
-- many go.
WITH kept AS (
  SELECT n.schema, n.mart, max(n.run) FILTER (WHERE n.status IN ('success', 'noop')) AS good,
         max(n.run) FILTER (WHERE n.status NOT IN ('queued', 'skipped')) AS begun
  FROM {registry}.refreshes AS n
  WHERE n.project = $1
  GROUP BY n.schema, n.mart)
SELECT coalesce(array_agg(s.run), '{}')
FROM (SELECT o.run
      FROM {registry}.refreshes AS o
      JOIN kept AS k ON k.schema = o.schema AND k.mart = o.mart
      WHERE o.project = $1 AND o.started_at < $2 AND o.status NOT IN ('queued', 'running')
        AND (o.run < k.good OR o.status NOT IN ('success', 'noop') AND o.run < k.begun)
      ORDER BY o.run
      LIMIT $3) AS s
