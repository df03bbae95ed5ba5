INSERT INTO {registry}.applies (project, who, host, application, pid, revision, fingerprint, plan, status, steps_total)
VALUES ($1, $2, $3, $4, pg_catalog.pg_backend_pid(), $5, $6, $7, 'running', $8)
RETURNING id
