-- Who holds advisory locks of ours in this database. A row whose session does not hold its lock is stale and joins nothing.
SELECT held.key, r.project, r.name, held.pid, coalesce(r.host, host(a.client_addr)) AS host,
       coalesce(r.application, a.application_name) AS application, coalesce(r.since, a.backend_start) AS since
FROM (SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, l.pid
      FROM pg_locks AS l
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())) AS held
LEFT JOIN {registry}.locks AS r ON r.key = held.key AND r.pid = held.pid
LEFT JOIN pg_stat_activity AS a ON a.pid = held.pid
WHERE r.key IS NOT NULL OR a.application_name LIKE 'datamart: %'
ORDER BY since, held.pid, r.project, r.name
