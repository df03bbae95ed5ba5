-- The registry's marts of one project.
SELECT schema, name, status, fingerprint, declared::text AS declared, applied::text AS applied, relation::bigint AS relation, file, revision, created_at, changed_at,
       -- A registry that is not migrated yet lacks the column, and only versioned marts have something there.
       CASE WHEN declared ? 'versions' THEN to_jsonb(m) ->> 'held' END AS held
FROM {registry}.marts AS m
WHERE project = $1 AND status <> 'dropped'
ORDER BY schema, name
