SELECT count(*) FILTER (WHERE pg_catalog.pg_cancel_backend(p.pid))
FROM (SELECT pid FROM unnest($1::int[]) AS p (pid)
      UNION
      SELECT l.pid FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $2::oid AND l.objid = ANY ($1::int[]::oid[])
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())) AS p
