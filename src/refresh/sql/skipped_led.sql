INSERT INTO {registry}.refreshes
       (project, schema, mart, reason, status, started_at, finished_at, duration_ms, revision, requested_by, host, error,
        cause, epoch, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, $8, $9, $10, $11, $12, $13)
RETURNING run
