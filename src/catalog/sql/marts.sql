-- The registry's marts of one project.
SELECT schema, name, status, fingerprint, declared::text AS declared, applied::text AS applied, relation::bigint AS relation, file, revision, created_at, changed_at
FROM {registry}.marts
WHERE project = $1 AND status <> 'dropped'
ORDER BY schema, name
