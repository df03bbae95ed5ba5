-- What stands under a name, and everything that reads it, directly or not: what is furthest from it first.
WITH RECURSIVE found (oid, depth) AS (
  SELECT c.oid, 0 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $1 AND c.relname = $2
  UNION
  SELECT w.ev_class, f.depth + 1
    FROM found f
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = f.oid
                               AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> f.oid
   WHERE f.depth < 1000
)
SELECT n.nspname::text AS schema, c.relname::text AS name, NULLIF(pg_catalog.pg_get_userbyid(c.relowner), session_user)::text AS role,
       pg_catalog.obj_description(c.oid, 'pg_class') AS mark,
       CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind
FROM (SELECT oid, max(depth) AS depth FROM found GROUP BY oid) AS f
JOIN pg_catalog.pg_class c ON c.oid = f.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY f.depth DESC, c.oid
