-- Sizes of the partitions of a relation, and when they were last written as a whole, as far as nobody noted that: what is built
-- aside is vacuumed before it is published. Of what is locked away for now, or dropped since, the pages that were counted last.
WITH held AS MATERIALIZED (
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
)
SELECT c.oid::bigint AS oid,
       COALESCE(CASE WHEN h.relation IS NULL THEN pg_catalog.pg_total_relation_size(c.oid) END,
                c.relpages * pg_catalog.current_setting('block_size')::bigint) AS bytes,
       COALESCE(pg_catalog.pg_stat_get_last_vacuum_time(c.oid), pg_catalog.pg_stat_get_last_analyze_time(c.oid)) AS written_at
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
LEFT JOIN held h ON h.relation = c.oid
WHERE i.inhparent = $1::bigint::oid AND NOT i.inhdetachpending
