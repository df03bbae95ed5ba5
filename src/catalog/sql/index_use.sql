-- How the indexes of one relation are used, and their sizes.
SELECT c.relname::text AS name, pg_catalog.pg_get_indexdef(c.oid) AS definition, i.indisunique AS "unique",
       pg_catalog.pg_relation_size(c.oid) AS bytes,
       COALESCE(s.idx_scan, 0) AS scans, COALESCE(s.idx_tup_read, 0) AS tuples_read
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = $2
JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = c.oid
WHERE n.nspname = $1
ORDER BY c.relname
