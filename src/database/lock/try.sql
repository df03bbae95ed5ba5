SELECT k.key, pg_try_advisory_lock(k.key) AS got, pg_backend_pid() AS pid
FROM unnest($1::bigint[]) AS k(key)
