-- What became of relations and indexes, and which of them this session has locked against others.
SELECT w.oid, n.nspname::text AS schema, c.relname::text AS name, c.relfilenode::bigint AS filenode,
       CASE WHEN c.relkind IN ('r', 'm') AND c.relfilenode::bigint <> w.filenode THEN pg_catalog.pg_relation_size(c.oid) END AS rows_bytes,
       l.modes
FROM unnest($1::bigint[], $2::bigint[]) AS w (oid, filenode)
LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid::oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
  SELECT k.relation, array_agg(DISTINCT k.mode) AS modes
  FROM pg_catalog.pg_locks k
  WHERE k.pid = pg_catalog.pg_backend_pid() AND k.locktype = 'relation' AND k.granted
    AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    AND k.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  GROUP BY k.relation
) AS l ON l.relation = w.oid::oid
