-- Views by name, those that other views among them read last.
WITH RECURSIVE wanted AS (
  SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) AS owner, c.reloptions
  FROM unnest($1::text[], $2::text[]) AS w (s, n)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n AND c.relkind = 'v'
), above (oid, depth) AS (
  SELECT oid, 0 FROM wanted
  UNION
  SELECT d.refobjid, a.depth + 1
  FROM above a
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = a.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> a.oid
  JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind = 'v'
  WHERE a.depth < 100
)
SELECT w.nspname::text AS schema, w.relname::text AS name, w.owner::text AS owner, w.reloptions AS options,
       pg_catalog.pg_get_viewdef(w.oid) AS definition
FROM wanted w JOIN above a ON a.oid = w.oid
GROUP BY w.oid, w.nspname, w.relname, w.owner, w.reloptions
ORDER BY max(a.depth), w.nspname, w.relname
