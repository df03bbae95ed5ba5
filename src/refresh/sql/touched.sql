SELECT pg_catalog.pg_current_snapshot()::text AS snapshot, count(*) AS rows, coalesce(bool_or(source = 0), false) AS whole,
       coalesce(array_agg(DISTINCT source::bigint) FILTER (
           WHERE source <> 0 AND ($1::text IS NULL OR NOT pg_catalog.pg_visible_in_snapshot(xid, $1::pg_catalog.pg_snapshot))
       ), '{}') AS sources
FROM {registry}.touched
