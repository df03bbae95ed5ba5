-- Marts that are not there yet and could not be made: their role may make nothing in their schema; or there is no such schema, and the
-- session may not make it; the first of each schema and role. The parameters: schemas, names, and roles, NULL for the session's.
SELECT pg_catalog.min(m.nth) AS nth, r.rolname::text AS role, n.oid IS NOT NULL AS there
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS m (schema, name, role, nth)
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
JOIN pg_catalog.pg_roles AS r ON r.rolname = CASE WHEN n.oid IS NULL THEN current_user ELSE coalesce(m.role, current_user) END
WHERE NOT CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE')
               ELSE pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE') END
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = m.name)
GROUP BY m.schema, n.oid, r.rolname
ORDER BY 1
