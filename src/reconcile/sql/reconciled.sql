-- How a revision went. Gives a row where that is news.
INSERT INTO {registry}.reconciles AS r
    (project, attempted, attempted_at, applied, applied_at, status, reason, message, problems, plan, fingerprint)
SELECT $1::text, $2::text, $3::timestamptz, CASE WHEN $4 <> 'none' THEN $2 END, CASE WHEN $4 <> 'none' THEN $3 END, $5::text, $6::text, $7::text,
       $8::jsonb, $9::jsonb, $10::text
-- Where it is no news nothing is written, and no row is locked.
WHERE $4 = 'now' OR NOT EXISTS (
    SELECT FROM {registry}.reconciles AS known
    WHERE known.project = $1 AND (known.attempted, known.status, known.reason, known.message, known.problems, known.fingerprint)
        IS NOT DISTINCT FROM ($2, $5, $6, $7, $8, $10)
)
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
RETURNING project
