-- One row about the server and this connection. Compiling the queries that follow would cost more than running them.
SELECT pg_catalog.set_config('jit', 'off', true) AS jit,
       current_setting('server_version_num')::int AS version_num,
       current_setting('server_version') AS version,
       pg_catalog.now() AS now,
       current_database()::text AS database,
       current_user::text AS "user",
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS replicas,
       ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace) AS schemas,
       ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)) AS roles,
       -- Since 16 a member may lack the right to SET ROLE.
       ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1) AND pg_catalog.pg_has_role(
           oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)) AS assumable,
       ARRAY(SELECT spcname::text FROM pg_catalog.pg_tablespace) AS tablespaces,
       (SELECT s.spcname::text FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace s ON s.oid = d.dattablespace
         WHERE d.datname = current_database()) AS default_tablespace
