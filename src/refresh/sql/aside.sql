-- Whether rows may be kept in a temporary table: several processes may compute them, their owner has the right to make one, no event
-- trigger is called for it, and no server's log is told the keys that is told of such statements and of no others. What the planner
-- takes a row to cost that goes from one process to another is then half of what the server comes with, where nobody said otherwise:
-- else rows that are found among many more would be looked for by one alone.
SELECT may.may, CASE WHEN may.may AND pg_catalog.current_setting('parallel_tuple_cost') = '0.1'
                     THEN pg_catalog.set_config('parallel_tuple_cost', '0.05', true) END AS told
FROM (
  SELECT pg_catalog.current_setting('max_parallel_workers_per_gather')::pg_catalog.int4 > 0
     AND pg_catalog.current_setting('max_parallel_workers')::pg_catalog.int4 > 0
     AND pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP')
     AND (pg_catalog.current_setting('log_statement') <> 'ddl' OR pg_catalog.current_setting('log_parameter_max_length') = '0')
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS e WHERE e.evtenabled <> 'D')) AS may (may)
