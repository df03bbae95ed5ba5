DELETE FROM {registry}.locks WHERE key = ANY ($1::bigint[]) AND pid = pg_backend_pid()
