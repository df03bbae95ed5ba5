-- Sizes of the indexes of relations, and how often they were used since the statistics were reset.
SELECT i.indrelid::bigint AS relation, c.relname::text AS name, COALESCE(pg_catalog.pg_relation_size(c.oid), c.relpages * pg_catalog.current_setting('block_size')::bigint) AS bytes, COALESCE(s.idx_scan, 0) AS scans
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = c.oid
WHERE i.indrelid = ANY ($1::bigint[]::oid[])
