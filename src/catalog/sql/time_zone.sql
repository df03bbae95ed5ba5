-- The time zone that this role's sessions get in this database, as far as it was set for either; whether the server's own can be read; and
-- that of its log, which is mostly the same.
SELECT (SELECT substr(setting, 10)
          FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS setting
         WHERE lower(setting) LIKE 'timezone=%'
           AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
           AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
         ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1) AS own,
       pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'SELECT')
         AND pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE') AS readable,
       current_setting('log_timezone') AS log
