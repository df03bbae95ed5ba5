INSERT INTO {registry}.locks AS l (key, project, name, pid, host, application, since)
SELECT t.key, $3, t.name, pg_backend_pid(), $4, $5, clock_timestamp()
FROM unnest($1::bigint[], $2::text[]) AS t(key, name)
ON CONFLICT (key) DO UPDATE
SET project = excluded.project, name = excluded.name, pid = excluded.pid, host = excluded.host,
    application = excluded.application, since = excluded.since
