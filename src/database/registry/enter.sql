INSERT INTO {registry}.meta (format, system_identifier, database_oid, database_name, server_major, created_by)
SELECT $1, {system_identifier}, d.oid, d.datname, current_setting('server_version_num')::int / 10000, session_user
FROM pg_database AS d
WHERE d.datname = current_database()
