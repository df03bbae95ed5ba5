-- Who keeps everybody from the relations of this database: each session with what it locks, as far as it can be seen by now.
SELECT l.pid, nullif(a.application_name, '') AS application, a.xact_start AS since,
       string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname) AS relations
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'm', 'p', 'v', 'f')
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_'
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
GROUP BY l.pid, a.application_name, a.xact_start
ORDER BY since
LIMIT 3
