-- Sizes and estimates of relations: cheap, no row is read.
SELECT c.oid::bigint AS oid,
       z.table_bytes + z.index_bytes AS total_bytes, z.table_bytes, z.index_bytes,
       CASE WHEN c.reltuples < 0 THEN 0 ELSE c.reltuples END::bigint AS estimated_rows,
       s.last_analyze, s.last_autoanalyze, s.seq_scan, s.idx_scan
FROM pg_catalog.pg_class c
CROSS JOIN LATERAL (SELECT pg_catalog.pg_table_size(c.oid) AS table_bytes, pg_catalog.pg_indexes_size(c.oid) AS index_bytes OFFSET 0) AS z
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.oid = ANY ($1::bigint[]::oid[])
