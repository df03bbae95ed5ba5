-- The columns of a relation, with what decides how they can be matched: whether they are ever NULL, whether a btree
-- sorts them as their type does by default, and whether there are arrays of them.
SELECT a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       a.attcollation::bigint AS collation,
       a.attnotnull AS not_null,
       t.typarray <> 0 AND t.typcategory <> 'A' AS has_array,
       EXISTS (
           SELECT FROM pg_catalog.pg_index i
           CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS at
           JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[at]
           JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
           WHERE i.indrelid = a.attrelid AND i.indkey[at] = a.attnum AND o.opcdefault AND m.amname = 'btree'
       ) AS sorted
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
