-- The types that domains are made of, at their ends, with their modifiers.
WITH RECURSIVE base (name, type, modifier, depth) AS (
  SELECT n.name, t.typbasetype, t.typtypmod, 1
  FROM unnest($1::text[]) AS n (name)
  JOIN pg_catalog.pg_type AS t ON t.oid = pg_catalog.to_regtype(n.name) AND t.typtype = 'd'
  UNION ALL
  SELECT b.name, t.typbasetype, t.typtypmod, b.depth + 1
  FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.type AND t.typtype = 'd')
SELECT DISTINCT ON (b.name) b.name, pg_catalog.format_type(b.type, b.modifier) AS base
FROM base AS b ORDER BY b.name, b.depth DESC
