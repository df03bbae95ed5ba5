-- Marts that are not there yet, and whose role may make nothing in their schema, which is; the first of each schema and role. The
-- parameters: schemas, names, and roles, NULL for the session's.
SELECT pg_catalog.min(m.nth) AS nth, r.rolname::text AS role
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS m (schema, name, role, nth)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
JOIN pg_catalog.pg_roles AS r ON r.rolname = coalesce(m.role, current_user)
WHERE NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = m.name)
GROUP BY n.oid, r.rolname
ORDER BY 1
