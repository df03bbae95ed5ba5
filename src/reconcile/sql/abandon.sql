-- The daemon that ran them ended before they did, or lost the database, and their locks with it.
UPDATE {registry}.refreshes
SET status = 'cancelled', finished_at = now(),
    error = '{"kind": "connection", "sqlstate": null, "message": "the daemon that ran it ended, or lost the database", "hint": null}'::jsonb
WHERE run = ANY ($1::bigint[]) AND status = 'running'
