SELECT pg_advisory_unlock(k.key) FROM unnest($1::bigint[]) AS k(key)
