-- Another leadership begins; runs of those before it are refused from now on.
INSERT INTO {registry}.leaders AS l (project, epoch, host, process, backend)
VALUES ($1, 1, $2, $3, pg_catalog.pg_backend_pid())
ON CONFLICT (project) DO UPDATE
SET epoch = l.epoch + 1, host = excluded.host, process = excluded.process, backend = excluded.backend, since = now()
RETURNING epoch
