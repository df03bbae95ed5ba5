-- Which of these locks somebody holds.
SELECT k.key
FROM unnest($1::bigint[]) AS k(key)
WHERE EXISTS (
  SELECT FROM pg_catalog.pg_locks AS l
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND (l.classid::bigint << 32) | l.objid::bigint = k.key
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
