-- How a revision went. Gives a row where that is news.
INSERT INTO {registry}.reconciles AS r
    (project, attempted, attempted_at, applied, applied_at, status, reason, message, problems, plan, fingerprint)
VALUES ($1, $2, $3, CASE WHEN $4 <> 'none' THEN $2 END, CASE WHEN $4 <> 'none' THEN $3 END, $5, $6, $7, $8, $9, $10)
ON CONFLICT (project) DO UPDATE SET
    attempted = EXCLUDED.attempted,
    attempted_at = EXCLUDED.attempted_at,
    applied = CASE WHEN $4 = 'none' THEN r.applied ELSE EXCLUDED.applied END,
    applied_at = CASE WHEN $4 = 'none' OR ($4 = 'same' AND r.applied = EXCLUDED.applied) THEN r.applied_at ELSE EXCLUDED.applied_at END,
    status = EXCLUDED.status,
    reason = EXCLUDED.reason,
    message = EXCLUDED.message,
    problems = EXCLUDED.problems,
    plan = EXCLUDED.plan,
    fingerprint = EXCLUDED.fingerprint,
    -- An approval is for one plan, and once.
    approved = CASE WHEN r.approved = EXCLUDED.fingerprint THEN r.approved END,
    approved_by = CASE WHEN r.approved = EXCLUDED.fingerprint THEN r.approved_by END,
    approved_at = CASE WHEN r.approved = EXCLUDED.fingerprint THEN r.approved_at END
WHERE $4 = 'now' OR (r.attempted, r.status, r.reason, r.message, r.problems, r.fingerprint)
    IS DISTINCT FROM (EXCLUDED.attempted, EXCLUDED.status, EXCLUDED.reason, EXCLUDED.message, EXCLUDED.problems, EXCLUDED.fingerprint)
RETURNING project
