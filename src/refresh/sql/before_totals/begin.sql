INSERT INTO {registry}.refreshes (project, schema, mart, method, reason, status, started_at, revision, requested_by, host, pid)
VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, pg_catalog.pg_backend_pid())
RETURNING run
