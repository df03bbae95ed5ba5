-- The scratch views: canonical text, columns, and what each reads.
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_catalog.pg_get_viewdef(c.oid) AS definition,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum) AS columns,
       ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum) AS types,
       ARRAY(SELECT (SELECT pg_catalog.format('%I.%I', m.nspname, k.collname)
                       FROM pg_catalog.pg_collation k JOIN pg_catalog.pg_namespace m ON m.oid = k.collnamespace
                      WHERE k.oid = a.attcollation AND a.attcollation <> t.typcollation)
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum) AS collations,
       r.schemas AS read_schemas, r.names AS read_names
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT array_agg(x.nspname ORDER BY x.nspname, x.relname) AS schemas, array_agg(x.relname ORDER BY x.nspname, x.relname) AS names
  FROM (SELECT DISTINCT s.nspname::text, f.relname::text
          FROM pg_catalog.pg_rewrite w
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                                     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> c.oid
          JOIN pg_catalog.pg_class f ON f.oid = d.refobjid
          JOIN pg_catalog.pg_namespace s ON s.oid = f.relnamespace
         WHERE w.ev_class = c.oid) AS x
) AS r
WHERE n.nspname = ANY ($1) AND c.relkind = 'v'
