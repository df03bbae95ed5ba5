-- Whose functions would run where a text is only read: the checks of domains in constants of arrays and rows, and what indexes compute.
-- Functions of superusers and of this role are trusted. What PostgreSQL itself has is in no row of pg_depend.
WITH RECURSIVE reach (relation, type) AS (
  SELECT w.ev_class, d.refobjid
  FROM pg_catalog.pg_rewrite w
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_type'::regclass
  WHERE w.ev_class = ANY ($1::bigint[]::oid[])
  UNION
  SELECT r.relation, n.type
  FROM reach r
  JOIN pg_catalog.pg_type t ON t.oid = r.type
  CROSS JOIN LATERAL (
    SELECT t.typelem UNION ALL SELECT t.typbasetype
    UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)
    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS n (type)
  WHERE n.type <> 0
),
uses (relation, index, classid, objid) AS (
  SELECT r.relation, NULL::oid, 'pg_catalog.pg_constraint'::regclass, k.oid
  FROM reach r JOIN pg_catalog.pg_constraint k ON k.contypid = r.type
  UNION ALL
  SELECT i.indrelid, i.indexrelid, 'pg_catalog.pg_class'::regclass, i.indexrelid
  FROM pg_catalog.pg_index i
  WHERE i.indrelid = ANY ($1::bigint[]::oid[]) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
)
SELECT DISTINCT u.relation::bigint AS relation, x.relname::text AS index, pg_catalog.pg_get_userbyid(p.proowner)::text AS owner
FROM uses u
JOIN pg_catalog.pg_depend d ON d.classid = u.classid AND d.objid = u.objid
LEFT JOIN pg_catalog.pg_operator o ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
JOIN pg_catalog.pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_catalog.pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
JOIN pg_catalog.pg_roles a ON a.oid = p.proowner
LEFT JOIN pg_catalog.pg_class x ON x.oid = u.index
WHERE NOT a.rolsuper AND a.rolname <> current_user
ORDER BY 1, 2, 3
