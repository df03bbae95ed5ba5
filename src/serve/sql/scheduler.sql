-- Who leads, and whether that daemon still holds its lock.
SELECT pg_catalog.jsonb_build_object(
  'host', l.host, 'process', l.process, 'backend', l.backend, 'epoch', l.epoch,
  'since', pg_catalog.to_char(l.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'alive', EXISTS (SELECT FROM pg_catalog.pg_locks AS k WHERE k.locktype = 'advisory' AND k.granted AND k.pid = l.backend))
FROM {registry}.leaders AS l WHERE l.project = $1
