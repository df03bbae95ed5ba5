-- Runs of this mart that never told their end: whoever holds its lock now is the only one.
UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now(),
       error = '{"kind": "connection", "sqlstate": null, "message": "the process that ran it ended", "hint": null}'::jsonb
WHERE project = $1 AND schema = $2 AND mart = $3 AND status = 'running'
