-- What waits and cannot be.
UPDATE {registry}.refreshes
SET status = $2, reason = $3, finished_at = now(), duration_ms = 0,
    error = CASE WHEN $4::text IS NOT NULL THEN pg_catalog.jsonb_build_object('kind', $4::text, 'message', $3::text) END
WHERE run = ANY ($1::bigint[]) AND status = 'queued'
