UPDATE {registry}.meta
SET system_identifier = {system_identifier}, database_oid = d.oid, database_name = d.datname,
    server_major = current_setting('server_version_num')::int / 10000
FROM pg_database AS d
WHERE d.datname = current_database();
-- A restore gives every relation another OID; the names came along.
UPDATE {registry}.marts SET relation = to_regclass(format('%I.%I', schema, name))::oid;
DELETE FROM {registry}.locks;
UPDATE {registry}.refreshes SET status = 'cancelled', finished_at = now() WHERE status = 'running';
UPDATE {registry}.applies SET status = 'cancelled', finished_at = now() WHERE status = 'running';
