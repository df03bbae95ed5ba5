-- Tries locks and writes who holds those that were got. Whoever had one before took the row away with it, or ended.
WITH tried AS MATERIALIZED (
  SELECT k.key, k.name, pg_try_advisory_lock(k.key) AS got FROM unnest($1::bigint[], $2::text[]) AS k(key, name)),
noted AS (
  INSERT INTO {registry}.locks AS l (key, project, name, pid, host, application, since)
  SELECT t.key, $3, t.name, pg_backend_pid(), $4, $5, clock_timestamp() FROM tried AS t WHERE t.got
  ON CONFLICT (key) DO UPDATE
  SET project = excluded.project, name = excluded.name, pid = excluded.pid, host = excluded.host,
      application = excluded.application, since = excluded.since)
SELECT key, got, pg_backend_pid() AS pid{also} FROM tried
