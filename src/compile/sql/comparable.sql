-- The types of these views' columns that can be compared and put into arrays; those behind domains, where they are domains.
SELECT DISTINCT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
CROSS JOIN LATERAL (
  WITH RECURSIVE base (type, depth) AS (
    SELECT a.atttypid, 0
    UNION ALL
    SELECT t.typbasetype, b.depth + 1 FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.type AND t.typtype = 'd')
  SELECT b.type FROM base AS b ORDER BY b.depth DESC LIMIT 1) AS e
JOIN pg_catalog.pg_type b ON b.oid = e.type
WHERE n.nspname = ANY ($1) AND b.typarray <> 0 AND b.typcategory <> 'A'
  AND (b.typtype IN ('e', 'r') OR EXISTS (
    SELECT FROM pg_catalog.pg_opclass o
      JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
     WHERE o.opcdefault AND (o.opcintype = b.oid OR EXISTS (
       SELECT FROM pg_catalog.pg_cast k
        WHERE k.castsource = b.oid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i'))))
