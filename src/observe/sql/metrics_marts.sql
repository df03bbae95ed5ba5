-- Of every mart what its last good run found, and its size by the catalog alone, without a lock on it. Sorted by bytes: by the
-- rules of a language it takes many times as long.
SELECT m.schema, m.name,
       coalesce((m.declared #>> '{refresh,suspend}')::boolean, false) OR EXISTS (
         SELECT FROM {registry}.overrides AS o WHERE o.project = $1 AND o.what = 'suspend'
         AND (o.schema = m.schema AND o.name = m.name OR o.schema = '' AND o.name = '')) AS suspended,
       coalesce(c.relispopulated, false) AS populated, coalesce(v.created_at, m.created_at) AS filled_at,
       -- What was taken over is read only where it was never refreshed since.
       CASE WHEN v.created_at IS NULL AND (g.started_at > m.created_at) IS NOT TRUE THEN m.applied ? 'adopted' ELSE false END AS adopted,
       g.started_at, g.newest,
       CASE WHEN k.known AND g.row_count IS NOT NULL THEN g.row_count WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows,
       CASE WHEN k.known AND g.size_bytes IS NOT NULL THEN g.size_bytes
            WHEN c.oid IS NOT NULL THEN (c.relpages + coalesce(i.pages, 0)) * pg_catalog.current_setting('block_size')::bigint END AS bytes,
       CASE WHEN c.relkind = 'p' THEN (SELECT count(*) FROM pg_catalog.pg_inherits AS p WHERE p.inhparent = c.oid) END AS partitions,
       CASE WHEN c.relkind = 'p' THEN (
         SELECT greatest(d.reltuples, 0)::bigint FROM pg_catalog.pg_partitioned_table AS t JOIN pg_catalog.pg_class AS d ON d.oid = t.partdefid
         WHERE t.partrelid = c.oid) END AS default_rows
FROM {registry}.marts AS m
LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
LEFT JOIN (
  SELECT DISTINCT ON (t.schema COLLATE "C", t.mart COLLATE "C") t.schema, t.mart, t.started_at, t.finished_at, t.row_count, t.size_bytes, t.newest
  FROM {registry}.totals AS t WHERE t.project = $1 AND t.status IN ('success', 'noop')
  ORDER BY t.schema COLLATE "C", t.mart COLLATE "C", t.run DESC) AS g ON g.schema = m.schema AND g.mart = m.name
CROSS JOIN LATERAL (SELECT coalesce(g.finished_at > greatest(m.changed_at, v.created_at), false) AS known OFFSET 0) AS k
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = coalesce(v.relation, m.name)
LEFT JOIN LATERAL (
  SELECT pg_catalog.sum(r.relpages)::bigint AS pages
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS r ON r.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND NOT k.known) AS i ON true
WHERE m.project = $1 AND m.status <> 'dropped' AND m.kind NOT IN ('view', 'temporary')
ORDER BY m.schema COLLATE "C", m.name COLLATE "C"
