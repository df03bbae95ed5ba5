-- When marts are due next, of those of which that is not what was said before; NULL: at no time. What was said in leaderships before
-- goes. A crash of the server that takes it along ends the leadership, too.
WITH news AS (
  SELECT n.schema, n.name, n.at FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS n(schema, name, at)
  WHERE NOT EXISTS (SELECT FROM {registry}.leaders AS l WHERE l.project = $1 AND l.epoch > $2)),
gone AS (
  DELETE FROM {registry}.due AS d
  WHERE d.project = $1 AND d.epoch <= $2
    AND CASE WHEN (d.schema, d.name) IN (SELECT n.schema, n.name FROM news AS n)
             THEN (d.schema, d.name) IN (SELECT n.schema, n.name FROM news AS n WHERE n.at IS NULL)
             ELSE d.epoch < $2 END)
INSERT INTO {registry}.due AS d (project, schema, name, epoch, at)
SELECT $1, n.schema, n.name, $2, n.at FROM news AS n WHERE n.at IS NOT NULL
ON CONFLICT (project, schema, name) DO UPDATE SET epoch = excluded.epoch, at = excluded.at WHERE d.epoch <= excluded.epoch
RETURNING pg_catalog.set_config('synchronous_commit', 'off', true) AS quick
