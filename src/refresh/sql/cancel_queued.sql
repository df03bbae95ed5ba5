UPDATE {registry}.refreshes
SET status = 'cancelled', finished_at = now(), duration_ms = 0, reason = 'cancelled before it began',
    error = pg_catalog.jsonb_build_object('kind', 'cancelled', 'message', 'cancelled by ' || $3::text)
WHERE project = $1 AND run = $2 AND status = 'queued'
