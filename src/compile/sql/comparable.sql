-- The types of these views' columns that can be compared and put into arrays.
SELECT DISTINCT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid)
WHERE n.nspname = ANY ($1) AND t.typarray <> 0 AND b.typcategory <> 'A'
  AND (b.typtype IN ('e', 'r') OR EXISTS (
    SELECT FROM pg_catalog.pg_opclass o
      JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
     WHERE o.opcdefault AND (o.opcintype = b.oid OR EXISTS (
       SELECT FROM pg_catalog.pg_cast k
        WHERE k.castsource = b.oid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i'))))
