-- Old runs, but for the last of each mart and the last that made its data; so many at most.
DELETE FROM {registry}.refreshes AS r
WHERE r.run IN (
  SELECT o.run FROM {registry}.refreshes AS o
  WHERE o.project = $1 AND o.started_at < $2 AND o.status NOT IN ('queued', 'running')
    AND EXISTS (SELECT FROM {registry}.refreshes AS n
                WHERE n.project = o.project AND n.schema = o.schema AND n.mart = o.mart AND n.run > o.run
                  AND (n.status IN ('success', 'noop') OR o.status NOT IN ('success', 'noop') AND n.status NOT IN ('queued', 'skipped')))
  LIMIT $3)
