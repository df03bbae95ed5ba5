-- What the roles of marts may not read of what their queries name, and the schemas it is in, if they may not look into these. The
-- parameters: the scratch schemas; the marts' scratch schemas, their names, and their roles, NULL for the session's.
SELECT m.nth, r.rolname::text AS role, x.schema, x.name, x.usage, x.columns, x.reads
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS m (schema, name, role, nth)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = m.name
JOIN pg_catalog.pg_roles AS r ON r.rolname = coalesce(m.role, current_user) AND NOT r.rolsuper
CROSS JOIN LATERAL (
  SELECT s.nspname::text AS schema, f.relname::text AS name, pg_catalog.has_schema_privilege(r.oid, s.oid, 'USAGE') AS usage,
         -- Whoever may read some columns may read others, or none: then it is those that are asked for.
         CASE WHEN pg_catalog.has_any_column_privilege(r.oid, f.oid, 'SELECT')
              THEN pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ')
                   FILTER (WHERE NOT pg_catalog.has_column_privilege(r.oid, f.oid, a.attnum, 'SELECT')) END AS columns,
         pg_catalog.has_any_column_privilege(r.oid, f.oid, 'SELECT') AS reads
  FROM pg_catalog.pg_rewrite AS w
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> c.oid
  JOIN pg_catalog.pg_class AS f ON f.oid = d.refobjid AND f.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_catalog.pg_namespace AS s ON s.oid = f.relnamespace AND s.nspname <> ALL ($1)
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
  WHERE w.ev_class = c.oid
  GROUP BY s.oid, s.nspname, f.oid, f.relname) AS x
WHERE NOT x.usage OR NOT x.reads OR x.columns IS NOT NULL
ORDER BY m.nth, x.schema, x.name
