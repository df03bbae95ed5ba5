-- The columns of a relation: their types as shown, as cast to (nothing is cut off by a length), and where the types are at home.
SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS shown,
       pg_catalog.format_type(a.atttypid, -1) AS cast_to, n.nspname::text AS home, a.atttypid = 'bool'::regtype AS truth,
       t.typcategory = 'S' AS words
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
