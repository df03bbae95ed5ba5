-- Of every mart: the run that made its data, the end of its last run, and its size by the catalog alone, without a lock on it.
SELECT m.schema, m.name, coalesce(c.relispopulated, false) AS populated, coalesce(v.created_at, m.created_at) AS filled_at,
       g.started_at, g.newest, l.finished_at,
       CASE WHEN g.finished_at > x.changed_at AND g.row_count IS NOT NULL THEN g.row_count
            WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows,
       CASE WHEN g.finished_at > x.changed_at AND g.size_bytes IS NOT NULL THEN g.size_bytes
            WHEN c.oid IS NOT NULL THEN (c.relpages + coalesce(i.pages, 0)) * pg_catalog.current_setting('block_size')::bigint END AS bytes
FROM {registry}.marts AS m
LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
CROSS JOIN LATERAL (SELECT greatest(m.changed_at, v.created_at) AS changed_at OFFSET 0) AS x
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = coalesce(v.relation, m.name)
LEFT JOIN LATERAL (
  SELECT pg_catalog.sum(r.relpages)::bigint AS pages
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS r ON r.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND c.relhasindex) AS i ON true
LEFT JOIN LATERAL (
  SELECT r.finished_at FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status NOT IN ('queued', 'running', 'skipped')
  ORDER BY r.run DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (
  SELECT r.started_at, r.finished_at, r.row_count, r.size_bytes, r.newest FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status IN ('success', 'noop')
  ORDER BY r.run DESC LIMIT 1) AS g ON true
WHERE m.project = $1 AND m.status <> 'dropped' AND m.kind NOT IN ('view', 'temporary')
ORDER BY m.schema, m.name
