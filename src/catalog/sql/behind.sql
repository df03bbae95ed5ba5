-- What stands behind plain views of these names, however many of them stand behind each other.
WITH RECURSIVE behind (root, oid) AS (
  SELECT c.oid, c.oid
  FROM unnest($1::text[], $2::text[]) AS t (s, n)
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.n
  UNION
  SELECT b.root, d.refobjid
  FROM behind b
  JOIN pg_catalog.pg_class c ON c.oid = b.oid AND c.relkind = 'v'
  JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> c.oid
)
SELECT DISTINCT rn.nspname::text AS view_schema, r.relname::text AS view, n.nspname::text AS schema, c.relname::text AS name
FROM behind b
JOIN pg_catalog.pg_class r ON r.oid = b.root
JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = b.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE b.oid <> b.root
