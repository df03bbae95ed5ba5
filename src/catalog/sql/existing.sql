-- Every relation that is a user's own: not the system's, not ours, no member of an extension, no partition, not temporary.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       CASE WHEN c.relkind = 'p' THEN (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) ELSE 0 END AS partitions,
       c.relkind = 'v' AND EXISTS (
         SELECT FROM pg_catalog.pg_rewrite w
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> c.oid
         JOIN pg_catalog.pg_class f ON f.oid = d.refobjid
         JOIN pg_catalog.pg_namespace s ON s.oid = f.relnamespace
         WHERE w.ev_class = c.oid AND s.nspname = '_timescaledb_internal') AS continuous
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm', 'r', 'p', 'f')
  AND c.relpersistence <> 't' AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.deptype = 'e' AND (e.classid, e.objid) IN (('pg_catalog.pg_class'::regclass, c.oid), ('pg_catalog.pg_namespace'::regclass, n.oid)))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class r
                  WHERE r.relnamespace = n.oid AND r.relname = 'meta' AND r.relkind = 'r'
                    AND pg_catalog.obj_description(r.oid, 'pg_class') LIKE 'datamart: %')
ORDER BY n.nspname, c.relname
