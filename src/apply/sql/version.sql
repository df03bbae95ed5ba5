INSERT INTO {registry}.versions AS v (project, schema, name, version, relation, fingerprint, declared, applied, oid, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9::bigint::oid, $10)
ON CONFLICT (project, schema, name, version) DO UPDATE
SET relation = EXCLUDED.relation, fingerprint = EXCLUDED.fingerprint, declared = EXCLUDED.declared, applied = EXCLUDED.applied,
    oid = EXCLUDED.oid, revision = EXCLUDED.revision
