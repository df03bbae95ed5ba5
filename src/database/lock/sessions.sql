-- The same where there is no registry, or none that this role may read.
SELECT held.key, NULL::text AS project, NULL::text AS name, held.pid, host(a.client_addr) AS host,
       a.application_name AS application, a.backend_start AS since
FROM (SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, l.pid
      FROM pg_locks AS l
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())) AS held
LEFT JOIN pg_stat_activity AS a ON a.pid = held.pid
WHERE a.application_name LIKE 'datamart: %'
ORDER BY since, held.pid
