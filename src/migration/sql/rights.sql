-- Which roles may read which relations, be it some columns only.
SELECT w.role, w.s AS schema, w.n AS name
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (role, s, n)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
JOIN pg_catalog.pg_roles r ON r.rolname = w.role
WHERE pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT')
