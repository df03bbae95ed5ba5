-- How the last revision of a project went.
SELECT pg_catalog.to_jsonb(r) FROM (
  SELECT attempted, attempted_at, applied, applied_at, status, reason, message, problems, plan, fingerprint, approved, approved_by,
         approved_at, drift, drift_at
  FROM {registry}.reconciles WHERE project = $1) AS r
