-- Gives locks back. Their rows go first: who takes one next waits for our commit at most, and we for nobody.
WITH gone AS (
  DELETE FROM {registry}.locks WHERE key = ANY ($1::bigint[]) AND pid = pg_backend_pid() RETURNING key)
SELECT pg_advisory_unlock(k.key) FROM unnest($1::bigint[]) AS k(key) WHERE (SELECT count(*) FROM gone) >= 0
