-- What depends on relations: rules (views, materialized views), functions, policies, constraints, columns of a row's type. Foreign keys that
-- refer to them are among what else hangs on them.
WITH wanted AS (SELECT unnest($1::bigint[]::oid[]) AS oid),
refs AS (
  SELECT w.oid, d.classid, d.objid, d.objsubid
  FROM wanted w
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = w.oid
  WHERE d.deptype = 'n'
  UNION
  SELECT w.oid, d.classid, d.objid, d.objsubid
  FROM wanted w
  JOIN pg_catalog.pg_type t ON t.typrelid = w.oid
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
  WHERE d.deptype = 'n'
)
SELECT DISTINCT r.oid::bigint AS oid,
       CASE WHEN r.classid = 'pg_catalog.pg_rewrite'::regclass
              THEN CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END
            WHEN r.classid = 'pg_catalog.pg_proc'::regclass THEN 'function'
            WHEN r.classid = 'pg_catalog.pg_policy'::regclass THEN 'policy'
            WHEN r.classid = 'pg_catalog.pg_constraint'::regclass THEN 'constraint'
            WHEN r.classid = 'pg_catalog.pg_class'::regclass THEN 'table'
            ELSE 'object' END AS kind,
       n.nspname::text AS schema, c.relname::text AS name, c.oid::bigint AS relation,
       CASE WHEN c.oid IS NULL THEN pg_catalog.pg_describe_object(r.classid, r.objid, 0) END AS description
FROM refs r
LEFT JOIN pg_catalog.pg_rewrite w ON r.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = r.objid
LEFT JOIN pg_catalog.pg_constraint k ON r.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = r.objid
LEFT JOIN pg_catalog.pg_class c
       ON c.oid = COALESCE(w.ev_class, CASE WHEN r.classid = 'pg_catalog.pg_class'::regclass THEN r.objid END)
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
-- What is looked up one by one is planned one by one: of so many joins planning would cost more than looking.
WHERE COALESCE(w.ev_class, k.conrelid,
               CASE r.classid
               WHEN 'pg_catalog.pg_class'::regclass THEN r.objid
               WHEN 'pg_catalog.pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid = r.objid)
               WHEN 'pg_catalog.pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.oid = r.objid)
               WHEN 'pg_catalog.pg_statistic_ext'::regclass THEN (SELECT s.stxrelid FROM pg_catalog.pg_statistic_ext s WHERE s.oid = r.objid)
               WHEN 'pg_catalog.pg_publication_rel'::regclass THEN (SELECT u.prrelid FROM pg_catalog.pg_publication_rel u WHERE u.oid = r.objid)
               END, 0) <> r.oid
  AND (k.confrelid IS NULL OR k.confrelid <> r.oid)
ORDER BY 1, 2, 3, 4
