-- Views and materialized views that depend on those of these names, and they themselves; whether this role may act as the owner of each, and
-- what that owner lacks to make it again. What is an extension's, or temporary, follows nobody.
WITH RECURSIVE below (oid) AS (
  SELECT c.oid
  FROM unnest($1::text[], $2::text[]) AS t (s, n)
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.n
  UNION
  SELECT w.ev_class
  FROM below b
  CROSS JOIN LATERAL (
    SELECT d.objid
    FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = b.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    UNION ALL
    SELECT d.objid
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
                               AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    WHERE t.typrelid = b.oid
  ) AS r
  JOIN pg_catalog.pg_rewrite w ON w.oid = r.objid
)
SELECT n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.pg_has_role(c.relowner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS assumable,
       array_remove(ARRAY[CASE WHEN NOT pg_catalog.has_schema_privilege(c.relowner, n.oid, 'CREATE') THEN format('CREATE ON SCHEMA %I', n.nspname) END], NULL)
       || ARRAY(SELECT DISTINCT format('USAGE ON SCHEMA %I', s.nspname)
                FROM pg_catalog.pg_rewrite w
                JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                JOIN pg_catalog.pg_namespace s ON s.oid = COALESCE(
                  (SELECT f.relnamespace FROM pg_catalog.pg_class f WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND f.oid = d.refobjid),
                  (SELECT f.pronamespace FROM pg_catalog.pg_proc f WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.refobjid),
                  (SELECT f.typnamespace FROM pg_catalog.pg_type f WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND f.oid = d.refobjid))
                WHERE w.ev_class = c.oid AND NOT pg_catalog.has_schema_privilege(c.relowner, s.oid, 'USAGE') ORDER BY 1)
       || ARRAY(SELECT DISTINCT format('SELECT ON %I.%I', s.nspname, f.relname)
                FROM pg_catalog.pg_rewrite w
                JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                JOIN pg_catalog.pg_class f ON f.oid = d.refobjid AND f.oid <> c.oid AND f.relkind IN ('r', 'v', 'm', 'p', 'f')
                JOIN pg_catalog.pg_namespace s ON s.oid = f.relnamespace
                WHERE w.ev_class = c.oid AND c.relkind = 'm' AND c.relispopulated AND NOT pg_catalog.has_any_column_privilege(c.relowner, f.oid, 'SELECT') ORDER BY 1)
         AS lacks
FROM below b
JOIN pg_catalog.pg_class c ON c.oid = b.oid AND c.relkind IN ('v', 'm') AND c.relpersistence <> 't'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
