-- Sizes and estimates of relations: cheap, no row is read. Of what is locked away for now, or dropped since, the pages that were counted last.
WITH held AS MATERIALIZED (
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
)
SELECT w.schema, w.name,
       z.table_bytes + z.index_bytes AS total_bytes, z.table_bytes, z.index_bytes,
       CASE WHEN c.reltuples < 0 THEN 0 ELSE c.reltuples END::bigint AS estimated_rows,
       s.last_analyze, s.last_autoanalyze, s.seq_scan, s.idx_scan
FROM unnest($1::text[], $2::text[]) AS w (schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
LEFT JOIN held h ON h.relation = c.oid
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), 0)::bigint FROM pg_catalog.pg_partition_tree(c.oid) AS t)
                ELSE COALESCE(CASE WHEN h.relation IS NULL THEN pg_catalog.pg_table_size(c.oid) END,
                              c.relpages * pg_catalog.current_setting('block_size')::bigint) END AS table_bytes,
           CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_indexes_size(t.relid)), 0)::bigint FROM pg_catalog.pg_partition_tree(c.oid) AS t)
                ELSE COALESCE(CASE WHEN h.relation IS NULL THEN pg_catalog.pg_indexes_size(c.oid) END,
                              (SELECT coalesce(pg_catalog.sum(r.relpages), 0)::bigint * pg_catalog.current_setting('block_size')::bigint
                               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class r ON r.oid = i.indexrelid WHERE i.indrelid = c.oid)) END AS index_bytes
    OFFSET 0) AS z
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
