-- What applies of a project built aside and did not publish, with the relations that read it.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, d.description AS mark,
       ARRAY(SELECT DISTINCT w.ev_class::bigint FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_rewrite w ON w.oid = p.objid
              WHERE p.classid = 'pg_catalog.pg_rewrite'::regclass AND w.ev_class <> c.oid
                AND ((p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = c.oid)
                     OR (p.refclassid = 'pg_catalog.pg_type'::regclass AND p.refobjid = c.reltype))
             UNION
             SELECT DISTINCT p.objid::bigint FROM pg_catalog.pg_depend p
              WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.objid <> c.oid AND p.deptype = 'n'
                AND p.refclassid = 'pg_catalog.pg_type'::regclass AND p.refobjid = c.reltype) AS readers
FROM pg_catalog.pg_description d
JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND c.relkind IN ('r', 'p', 'v', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND starts_with(d.description, $1)
