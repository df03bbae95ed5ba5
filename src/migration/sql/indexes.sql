-- The indexes of relations; the first column where it is one.
SELECT i.indexrelid::bigint AS oid, i.indrelid::bigint AS relation, c.relname::text AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       (SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnum > 0) AS first
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::bigint[]::oid[]) AND i.indisvalid
ORDER BY i.indexrelid
