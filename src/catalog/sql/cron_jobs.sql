-- pg_cron's jobs of this database.
SELECT j.jobid::bigint AS id, j.jobname::text AS name, j.schedule::text AS schedule, j.command::text AS command, j.active AS active,
       COALESCE(current_setting('cron.timezone', true), 'GMT') AS zone
FROM cron.job AS j
WHERE j.database = current_database()
ORDER BY j.jobid
