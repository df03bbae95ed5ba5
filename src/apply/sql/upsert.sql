INSERT INTO {registry}.marts AS m
       (project, schema, name, kind, status, fingerprint, declared, applied, relation, file, revision)
SELECT $1, r.schema, r.name, r.kind, 'active', r.fingerprint, r.declared::jsonb, r.applied::jsonb, r.relation::oid, r.file, $10
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[])
     AS r (schema, name, kind, fingerprint, declared, applied, relation, file)
ON CONFLICT (project, schema, name) DO UPDATE
SET kind = EXCLUDED.kind, status = 'active', fingerprint = EXCLUDED.fingerprint, declared = EXCLUDED.declared,
    -- What was taken over stays so as long as its relation is the same.
    applied = CASE WHEN m.applied ? 'adopted' AND m.status <> 'dropped' AND m.relation = EXCLUDED.relation
                   THEN EXCLUDED.applied || '{"adopted": true}' ELSE EXCLUDED.applied END,
    relation = EXCLUDED.relation, file = EXCLUDED.file, revision = EXCLUDED.revision,
    changed_at = now(),
    created_at = CASE WHEN m.status = 'dropped' THEN now() ELSE m.created_at END
