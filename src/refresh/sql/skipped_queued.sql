-- The row that waited says that nothing came of it.
UPDATE {registry}.refreshes
SET reason = $4, status = $5, started_at = $6, finished_at = $6, duration_ms = 0, revision = $7,
    requested_by = coalesce(requested_by, $8), host = $9, error = $10, cause = coalesce($11, cause), epoch = $12, due_at = $13
WHERE project = $1 AND schema = $2 AND mart = $3 AND run = $14 AND status = 'queued'
RETURNING run
